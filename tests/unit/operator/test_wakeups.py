"""An edit of another user that comes with the answer to a write of our own wakes what it concerns. Our own write wakes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daulat.api.names import eligible_label
from daulat.facts.change import Change
from daulat.facts.pod import Pod
from daulat.kube.ref import Ref
from tests.unit.world import SITE, World, model, policy

from .cluster import Cluster, serve
from .controllers import Deployments
from .scenarios import MODEL, OTHER, POLICY, calm
from .server import Asked, FakeServer
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")

NODE = Ref("Node", "", "a1")
DEPLOYMENT = Ref("Deployment", "treasury", "deepseek")


def once(server: FakeServer, before: str, edit: Callable[[], Any]) -> None:
    """Let another user edit something just before the first write to a path is carried out."""
    done: list[str] = []

    async def hook(asked: Asked) -> None:
        if asked.writes and asked.path.endswith(before) and not done:
            done.append(asked.path)
            edit()

    server.before = hook


async def woken_by(
    world: World, key: Ref, before: str, edit: Callable[[FakeServer], Any]
) -> tuple[set[Ref], FakeServer]:
    """Return the keys that wait after one pass during which another user edited something. No watch has told of it."""
    server = serve(world)
    cluster = Cluster(server)
    await cluster.list()
    cluster.leader._leads = True
    server.watches.clear()
    once(server, before, lambda: edit(server))
    await cluster.leader._pass(key)
    return {*cluster.leader._queue._due, *cluster.leader._queue._later, *cluster.leader._serial._due}, server


def test_a_model_that_was_edited_while_its_status_was_written_is_looked_at_again() -> None:
    async def scenario() -> None:
        world = calm(models=[model(status={"phase": "Pending"})])
        woken, _ = await woken_by(world, MODEL, "/status", lambda server: server.edit(MODEL, spec={"replicas": 2}))
        assert MODEL in woken

    run(scenario())


def test_a_policy_that_was_tightened_while_its_status_was_written_wakes_its_models_and_nodes() -> None:
    async def scenario() -> None:
        zones = {"zones": {"countries": ["DE"]}}
        woken, _ = await woken_by(calm(), POLICY, "/status", lambda server: server.edit(POLICY, spec=zones))
        assert {POLICY, MODEL, NODE} <= woken

    run(scenario())


@pytest.mark.parametrize(
    "labels",
    [{SITE: "elsewhere"}, {eligible_label("other"): "eligible"}, {eligible_label("confidential"): "no"}, {SITE: None}],
    ids=str,
)
def test_a_node_whose_labels_were_edited_while_it_was_labelled_is_looked_at_again(labels: dict[str, Any]) -> None:
    async def scenario() -> None:
        def edit(server: FakeServer) -> None:
            server.edit(NODE, metadata={"labels": labels})

        woken, server = await woken_by(calm(models=[]), NODE, "/nodes/a1", edit)
        overwritten = labels.keys() == {eligible_label("confidential")}
        assert (NODE in woken) is not overwritten
        assert server.object(NODE)["metadata"]["labels"][eligible_label("confidential")] == "eligible"

    run(scenario())


def test_a_node_that_was_cordoned_while_it_was_labelled_wakes_what_depends_on_that() -> None:
    async def scenario() -> None:
        def edit(server: FakeServer) -> None:
            server.edit(NODE, spec={"unschedulable": True})

        woken, _ = await woken_by(calm(models=[]), NODE, "/nodes/a1", edit)
        assert Ref("Capacity", "", "cluster") in woken

    run(scenario())


def test_the_status_of_a_deployment_that_comes_with_an_apply_wakes_its_model() -> None:
    async def scenario() -> None:
        server = serve(calm())
        cluster = Cluster(server)
        await cluster.start()
        await cluster.settle(30)
        await cluster.stop()
        # The same objects, and an operator that hears nothing by its watches.
        other = Cluster(server, "other")
        await other.list()
        other.leader._leads = True
        server.watches.clear()
        told = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "observedGeneration": 1}
        once(server, "/deployments/deepseek", lambda: server.edit(DEPLOYMENT, "controller", status=told))
        await other.leader._pass(MODEL)
        assert MODEL in other.leader._queue._later
        await other.settle(1)
        assert MODEL in other.leader._queue._due

    run(scenario())


def test_our_own_writes_wake_nothing() -> None:
    async def scenario() -> None:
        server = serve(World(policies=[policy(drift={"limit": "100%"})], models=[model()]))
        Deployments(server)
        cluster = Cluster(server)
        brought: list[Change] = []
        cluster.leader._executor._sink = brought.append
        await cluster.start()
        await cluster.settle(60)
        server.edit(MODEL, spec={"accelerators": [{**model()["spec"]["accelerators"][0], "image": OTHER}]})
        await cluster.settle(60)
        server.edit(NODE, metadata={"labels": {SITE: None}})
        await cluster.settle(200)
        assert [a for a in server.asked if a.verb == "merge"]
        assert [a for a in server.asked if a.verb == "apply"]
        # That a pod ends is news, which the watch brings later.
        ends = [c for c in brought if isinstance(c.after, Pod) and c.after.termination_deadline]
        assert ends
        assert [(c.ref, c.before, c.after) for c in brought if c not in ends] == []
        await cluster.stop()

    run(scenario())
