"""What other writers add to an object of ours is taken away again, or told: server-side apply alone would leave it in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daulat.kube.ref import Ref
from tests.unit.world import World, model, policy

from .cluster import Cluster, condition, serve
from .controllers import Deployments
from .merging import Managed, apply, update
from .scenarios import MODEL, POLICY, calm, difference, state
from .server import FakeServer
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")

Raw = dict[str, Any]
BINDING = Ref("ValidatingAdmissionPolicyBinding", "", "confidential.pods.daulat.dev")
GUARD = Ref("ValidatingAdmissionPolicy", "", "confidential.pods.daulat.dev")
NETWORK = Ref("NetworkPolicy", "treasury", "deepseek")
DEPLOYMENT = Ref("Deployment", "treasury", "deepseek")


def container(server: FakeServer) -> Raw:
    found: Raw = server.object(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]
    return found


def in_template(**spec: Any) -> Raw:
    return {"template": {"spec": spec}}


def sidecar(server: FakeServer) -> Raw:
    return in_template(containers=[container(server), {"name": "sidecar", "image": "elsewhere.example/x"}])


def env(server: FakeServer) -> Raw:
    one = container(server)
    return in_template(containers=[{**one, "env": [*one.get("env", []), {"name": "LD_PRELOAD", "value": "/x.so"}]}])


def volume(server: FakeServer) -> Raw:
    there = server.object(DEPLOYMENT)["spec"]["template"]["spec"].get("volumes", [])
    return in_template(volumes=[*there, {"name": "host", "hostPath": {"path": "/"}}])


EDITS: dict[str, tuple[Ref, Callable[[FakeServer], Raw]]] = {
    "an action of a binding": (BINDING, lambda server: {"validationActions": ["Deny", "Audit"]}),
    "a binding that no longer denies": (BINDING, lambda server: {"validationActions": ["Audit"]}),
    "where a binding holds": (
        BINDING,
        lambda server: {"matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}},
    ),
    "a condition of a guard": (GUARD, lambda server: {"matchConditions": [{"name": "never", "expression": "false"}]}),
    "what fails in a guard": (GUARD, lambda server: {"failurePolicy": "Ignore"}),
    "the pods of a NetworkPolicy": (NETWORK, lambda server: {"podSelector": {"matchLabels": {"a": "b"}}}),
    "a rule of a NetworkPolicy": (NETWORK, lambda server: {"egress": [{}]}),
    "a container": (DEPLOYMENT, sidecar),
    "a variable of a container": (DEPLOYMENT, env),
    "a volume": (DEPLOYMENT, volume),
    "a node by name": (DEPLOYMENT, lambda server: in_template(nodeName="elsewhere")),
    "the number of replicas": (DEPLOYMENT, lambda server: {"replicas": 7}),
}


async def begun() -> tuple[FakeServer, Cluster]:
    """Return a calm world with its Deployments at work, and an operator that has settled."""
    server = serve(calm())
    Deployments(server)
    cluster = Cluster(server)
    await cluster.start()
    await cluster.settle(60)
    return server, cluster


@pytest.mark.parametrize("what", EDITS)
def test_what_another_writer_changes_ends_as_it_was_compiled(what: str) -> None:
    async def scenario() -> None:
        server, cluster = await begun()
        before = state(server)
        ref, spec = EDITS[what]
        server.edit(ref, spec=spec(server))
        assert difference(before, state(server)) != []
        await cluster.settle(60)
        assert difference(before, state(server)) == []
        assert cluster.store.snapshot().reports == {}
        await cluster.stop()

    run(scenario())


@pytest.mark.parametrize("what", EDITS)
def test_what_another_writer_had_in_it_before_a_new_leader_came_ends_as_it_was_compiled(what: str) -> None:
    async def scenario() -> None:
        server = serve(calm())
        Deployments(server)
        first = Cluster(server)
        await first.start()
        await first.settle(60)
        await first.stop()
        before = state(server)
        ref, spec = EDITS[what]
        server.edit(ref, spec=spec(server))
        second = Cluster(server, "second")
        await second.start()
        await second.settle(60)
        assert difference(before, state(server)) == []
        await second.stop()

    run(scenario())


def _deny_nothing(kind: str, raw: Raw) -> Raw:
    if kind != "ValidatingAdmissionPolicyBinding" or raw["metadata"]["name"] != BINDING.name:
        return raw
    return {**raw, "spec": {**raw["spec"], "validationActions": ["Audit"]}}


def test_a_binding_that_a_webhook_changes_every_time_is_told_in_the_policys_status() -> None:
    async def scenario() -> None:
        server = serve(World(policies=[policy()], models=[]))
        server.admit = _deny_nothing
        cluster = Cluster(server)
        await cluster.start()
        for _ in range(10):
            await cluster.settle(7)
            status, reason, message = condition(server, POLICY, "Compiled")
            assert (status, reason) == ("False", "ApplyIncomplete")
            assert "isn't as it was applied" in message
            assert condition(server, POLICY, "Ready")[0] != "True"
        assert sum(BINDING.name in asked.path and asked.writes for asked in server.asked) < 100
        server.admit = lambda kind, raw: raw
        await cluster.settle(60)
        assert condition(server, POLICY, "Compiled")[:2] == ("True", "Applied")
        assert server.object(BINDING)["spec"]["validationActions"] == ["Deny"]
        await cluster.stop()

    run(scenario())


def test_a_deployment_to_which_another_writer_adds_a_container_every_time_is_told_in_the_models_status() -> None:
    async def scenario() -> None:
        server = serve(calm(models=[model()]))

        def adds(kind: str, type_: str, raw: Raw) -> None:
            if kind == "Deployment" and len(raw["spec"]["template"]["spec"]["containers"]) == 1:
                server.edit(DEPLOYMENT, "injector", spec=sidecar(server))

        cluster = Cluster(server)
        server.watches.append(adds)
        await cluster.start()
        await cluster.settle(60)
        status, _, message = condition(server, MODEL, "WorkloadReady")
        assert status == "False"
        assert "injector changes its spec" in message
        # It is brought back twice, and then no more for a while: each change rolls pods.
        written = sum(a.verb == "replace" and a.path.endswith("/deployments/deepseek") for a in server.asked)
        assert written == 2
        await cluster.settle(300)
        assert sum(a.verb == "replace" and a.path.endswith("/deployments/deepseek") for a in server.asked) == written
        assert condition(server, MODEL, "WorkloadReady")[:2] == ("False", "ChangedByOthers")
        server.watches.remove(adds)
        await cluster.settle(600)
        assert len(server.object(DEPLOYMENT)["spec"]["template"]["spec"]["containers"]) == 1
        assert "injector" not in condition(server, MODEL, "WorkloadReady")[2]
        await cluster.stop()

    run(scenario())


def test_a_rollout_restart_of_a_user_is_left_alone() -> None:
    async def scenario() -> None:
        server = serve(calm())
        cluster = Cluster(server)
        await cluster.start()
        await cluster.settle(60)
        restarted = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
        server.edit(DEPLOYMENT, "kubectl-rollout", spec={"template": {"metadata": {"annotations": restarted}}})
        await cluster.settle(60)
        assert server.object(DEPLOYMENT)["spec"]["template"]["metadata"]["annotations"].items() >= restarted.items()
        assert cluster.store.snapshot().reports == {}
        await cluster.stop()

    run(scenario())


def test_a_condition_that_another_writer_adds_to_a_status_is_taken_away() -> None:
    async def scenario() -> None:
        server = serve(calm(models=[]))
        cluster = Cluster(server)
        await cluster.start()
        await cluster.settle(60)
        before = state(server)
        said = server.object(POLICY)["status"]["conditions"]
        forged = {"type": "Forged", "status": "True", "reason": "Because", "message": "", "lastTransitionTime": "x"}
        server.edit(POLICY, status={"conditions": [*said, forged]})
        # Nothing but a status changed: it is written again with the next pass that has any reason to come.
        await cluster.settle(400)
        assert difference(before, state(server)) == []
        await cluster.stop()

    run(scenario())


def test_the_server_of_these_tests_merges_as_the_api_server_does() -> None:
    kind, managed = "ValidatingAdmissionPolicyBinding", list[Managed]()
    ours = {"metadata": {"labels": {"a": "1"}}, "spec": {"validationActions": ["Deny"], "policyName": "p"}}
    first = apply(kind, {"metadata": {}}, ours, "daulat", managed)
    theirs = {**first, "spec": {**first["spec"], "validationActions": ["Deny", "Audit"]}}
    update(kind, first, theirs, "kubectl", managed)
    merged = apply(kind, theirs, ours, "daulat", managed)
    assert merged["spec"]["validationActions"] == ["Deny", "Audit"]  # A set: the entry of another manager stays.
    smaller = {"metadata": {}, "spec": {"validationActions": ["Deny"]}}
    last = apply(kind, merged, smaller, "daulat", managed)
    assert "policyName" not in last["spec"]  # What one manager alone had, and gives up, is gone.
    assert "labels" not in last["metadata"]
    assert [(m.manager, m.fields) for m in managed if m.manager == "kubectl"] == [
        ("kubectl", {("f:spec", "f:validationActions", 'v:"Audit"')})
    ]


def _under_our_name(server: FakeServer) -> None:
    server.edit(DEPLOYMENT, "daulat", spec=sidecar(server))


def _by_nobody(server: FakeServer) -> None:
    server.edit(DEPLOYMENT, spec=in_template(hostAliases=[{"ip": "203.0.113.7", "hostnames": ["registry.example.my"]}]))
    for managed in server._managed.values():
        managed[:] = [one for one in managed if one.manager != "kubectl"]


@pytest.mark.parametrize("edit", [_under_our_name, _by_nobody])
@pytest.mark.parametrize("while_it_runs", [True, False])
def test_what_is_changed_in_the_operators_own_name_or_in_none_ends_as_rendered(
    edit: Callable[[FakeServer], None], while_it_runs: bool
) -> None:
    async def scenario() -> None:
        server, cluster = await begun()
        before = server.object(DEPLOYMENT)["spec"]
        if while_it_runs:
            edit(server)
        else:
            await cluster.stop()
            edit(server)
            cluster = Cluster(server, "second")
            await cluster.start()
        await cluster.settle(60)
        assert server.object(DEPLOYMENT)["spec"] == before
        assert cluster.store.snapshot().reports == {}
        tried = sum(a.verb == "try" and "/pods" not in a.path for a in server.asked)
        await cluster.settle(600)
        # In steady state nothing is compared by a request.
        assert sum(a.verb == "try" and "/pods" not in a.path for a in server.asked) == tried
        await cluster.stop()

    run(scenario())


def test_labels_and_owners_that_another_writer_takes_away_come_back() -> None:
    async def scenario() -> None:
        server, cluster = await begun()
        for ref in (DEPLOYMENT, NETWORK):
            before = {k: server.object(ref)["metadata"][k] for k in ("labels", "ownerReferences")}
            server.edit(ref, metadata={"ownerReferences": None})
            await cluster.settle(60)
            assert {k: server.object(ref)["metadata"][k] for k in before} == before
            server.edit(ref, metadata={"labels": dict.fromkeys(before["labels"])})
            await cluster.settle(60)
            assert {k: server.object(ref)["metadata"][k] for k in before} == before
        await cluster.stop()

    run(scenario())
