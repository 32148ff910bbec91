"""A write to an object that we didn't make is for that very object, and never for another one of its name."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.names import UNDECIDED_TAINT, ZONE_LABEL, eligible_label
from daulat.kube.ref import Ref
from tests.unit.world import ascend, h20, pod

from .cluster import Cluster, serve, writes
from .scenarios import POLICY, calm, new_pods
from .server import Asked, FakeServer, refusal
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")

NODE = Ref("Node", "", "a1")


async def during(server: FakeServer, key: Ref, path: str, happens: Any) -> Cluster:
    """Carry one pass out during which something happens just before the first write to a path."""
    cluster = Cluster(server)
    await cluster.list()
    server.asked.clear()
    done: list[str] = []

    async def hook(asked: Asked) -> None:
        if asked.writes and asked.path.endswith(path) and not done:
            done.append(asked.path)
            happens()

    server.before = hook
    await cluster.leader._try(key)
    server.before = None
    assert done
    return cluster


def anew(server: FakeServer, kind: str, raw: dict[str, Any]) -> None:
    """Delete an object, and make another one of its name."""
    server.remove(Ref.of(kind, raw))
    raw["metadata"].pop("uid", None)
    server.put(kind, raw)


@pytest.mark.parametrize("status", [409, 422])
def test_a_node_that_was_made_anew_doesnt_get_the_labels_of_the_one_before(status: int) -> None:
    async def scenario() -> None:
        server = serve(calm(models=[]))

        def happens() -> None:
            anew(server, "Node", h20("a1", site="elsewhere"))
            if status == 409:
                raise refusal(409)

        cluster = await during(server, NODE, "/nodes/a1", happens)
        labels = server.object(NODE)["metadata"]["labels"]
        assert ZONE_LABEL not in labels
        assert eligible_label("confidential") not in labels
        assert cluster.store.snapshot().reports == {}

    run(scenario())


def test_a_node_that_is_gone_is_no_error() -> None:
    async def scenario() -> None:
        server = serve(calm(models=[]))
        cluster = await during(server, NODE, "/nodes/a1", lambda: server.remove(NODE))
        assert cluster.store.snapshot().reports == {}

    run(scenario())


def test_a_conflict_over_the_same_node_is_told_and_tried_again() -> None:
    async def scenario() -> None:
        server = serve(calm(models=[]))
        cluster = Cluster(server)
        failed: list[str] = []

        async def hook(asked: Asked) -> None:
            if asked.path.endswith("/nodes/a1") and asked.writes and not failed:
                failed.append(asked.path)
                raise refusal(409)

        server.before = hook
        await cluster.start()
        await cluster.settle(5)
        assert NODE in cluster.store.snapshot().reports
        await cluster.settle(30)
        assert cluster.store.snapshot().reports == {}
        assert server.object(NODE)["metadata"]["labels"][eligible_label("confidential")] == "eligible"
        await cluster.stop()

    run(scenario())


@pytest.mark.parametrize("status", [409, 422])
def test_a_policy_that_was_made_anew_doesnt_get_the_status_of_the_one_before(status: int) -> None:
    async def scenario() -> None:
        server = serve(calm(models=[]))

        def happens() -> None:
            anew(server, "SovereigntyPolicy", calm().policies[0])
            if status == 409:
                raise refusal(409)

        cluster = await during(server, POLICY, "/confidential/status", happens)
        assert "status" not in server.object(POLICY)
        assert cluster.store.snapshot().reports == {}

    run(scenario())


def test_every_patch_of_a_node_and_of_a_status_carries_the_uid() -> None:
    async def scenario() -> None:
        server = serve(calm())
        cluster = Cluster(server)
        await cluster.start()
        await cluster.settle(60)
        patches = [a for a in server.asked if a.verb == "merge" or a.path.endswith("/status")]
        uids = {o["metadata"]["uid"] for o in server.objects.values()}
        assert {a.path.split("/")[-2 if a.path.endswith("/status") else -1] for a in patches} >= {"a1", "confidential"}
        assert all(a.body["metadata"]["uid"] in uids for a in patches)
        await cluster.stop()

    run(scenario())


def test_the_taints_of_others_stay_when_ours_comes_and_goes() -> None:
    async def scenario() -> None:
        labels = {eligible_label("confidential"): "eligible", ZONE_LABEL: "cyberjaya-1"}
        node = ascend("a1", labels=labels)
        node["spec"] = {"taints": [{"key": "maintenance", "effect": "NoSchedule"}]}
        world = calm(models=[], nodes=[node])
        profile = next(p for p in world.profiles if p["metadata"]["name"] == "huawei-ascend-910b")
        world.profiles.remove(profile)
        server = serve(world)
        cluster = Cluster(server)

        def happens() -> None:
            taints = [*server.object(NODE)["spec"]["taints"], {"key": "reboot", "effect": "NoExecute"}]
            server.edit(NODE, spec={"taints": taints})

        done: list[int] = []

        async def hook(asked: Asked) -> None:
            if asked.verb == "merge" and not done:
                done.append(1)
                happens()

        server.before = hook
        await cluster.start()
        await cluster.settle(60)
        keys = [t["key"] for t in server.object(NODE)["spec"]["taints"]]
        assert keys == ["maintenance", "reboot", UNDECIDED_TAINT]
        assert server.object(NODE)["metadata"]["labels"].items() >= labels.items()
        server.put("AcceleratorProfile", profile)
        await cluster.settle(60)
        assert [t["key"] for t in server.object(NODE)["spec"]["taints"]] == ["maintenance", "reboot"]
        await cluster.stop()

    run(scenario())


def test_a_pod_that_was_made_anew_isnt_deleted_in_place_of_the_one_before() -> None:
    async def scenario() -> None:
        world = calm(models=[], nodes=[ascend("a1", site=""), ascend("a2")])
        server = serve(world)
        new_pods(server)
        cluster = Cluster(server)
        done: list[int] = []

        async def hook(asked: Asked) -> None:
            if asked.verb == "DELETE" and asked.path.endswith("/report-0") and not done:
                done.append(1)
                pins = {eligible_label("confidential"): "eligible"}
                anew(server, "Pod", pod("report-0", on="a2", pins=pins))

        server.before = hook
        await cluster.start()
        await cluster.settle(120)
        assert [p.rpartition("/")[2] for p in server.objects if "/pods/" in p] == ["report-0"]
        told = [e["involvedObject"]["name"] for e in server.events if e["message"].startswith("deleted: ")]
        assert sorted(told) == ["report-1", "report-2"]
        assert len([w for w in writes(server.asked) if w.endswith("/report-0")]) == 1
        assert cluster.store.snapshot().reports == {}
        await cluster.stop()

    run(scenario())
