"""A pass is total: whatever one stage meets, every stage that doesn't depend on it runs, and the status tells what failed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from daulat.api.names import POLICY_LABEL, eligible_label
from daulat.kube.errors import NoAnswer
from tests.unit.world import World, ascend, child, model, pod, policy

from .cluster import Cluster, condition, serve
from .scenarios import MODEL, POLICY, calm
from .server import Asked, FakeServer, refusal
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")

FAULTS = ("no answer", "lost answer", "429", "500", "403", "409", "422")
STAGES = ("apply", "prove", "evict", "sweep", "status", "events")
LEFT = "confidential.former.daulat.dev"


def stage(asked: Asked) -> str:
    """Return the stage that a request belongs to."""
    if asked.verb == "try":
        return "prove"
    if asked.path.endswith("/events"):
        return "events"
    if asked.path.endswith("/status"):
        return "status"
    if asked.verb == "DELETE":
        return "sweep" if LEFT in asked.path else "evict"
    return "apply" if asked.writes else ""


def failing(which: Callable[[Asked], bool], fault: str) -> tuple[Callable[[Asked], Awaitable[None]] | None, ...]:
    """Return the hooks that fail every such request."""

    async def fail(asked: Asked) -> None:
        if which(asked):
            raise NoAnswer("timed out") if "answer" in fault else refusal(int(fault))

    return (None, fail) if fault == "lost answer" else (fail, None)


def busy() -> FakeServer:
    """Return a server where one pass over the policy has something to do in every stage."""
    pins = {eligible_label("confidential"): "eligible"}
    pods = [pod(f"report-{n}", on="gone", pins=pins) for n in range(2)]
    drift = {"gracePeriod": "0s", "limit": "100%"}
    world = World(nodes=[ascend("a1"), ascend("gone", site="")], models=[], pods=pods, policies=[policy(drift=drift)])
    server = serve(world)
    for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
        raw = child(kind, LEFT, policy="confidential")
        assert raw["metadata"]["labels"][POLICY_LABEL] == "confidential"
        server.put(kind, {**raw, "spec": {"policyName": LEFT, "validationActions": ["Deny"], "variables": []}})
    return server


async def one_pass(server: FakeServer, key: Any) -> Cluster:
    """Carry one pass out, and what it hands to the evictor."""
    cluster = Cluster(server)
    await cluster.list()
    server.asked.clear()
    evictor = asyncio.create_task(cluster.leader._evictor.run())
    await cluster.leader._try(key)
    await cluster.settle(3)
    evictor.cancel()
    return cluster


def done(server: FakeServer) -> set[str]:
    """Return the stages of which a request was sent."""
    return {stage(asked) for asked in server.asked} - {""}


def test_a_pass_where_nothing_fails_has_all_stages() -> None:
    async def scenario() -> None:
        server = busy()
        await one_pass(server, POLICY)
        assert done(server) == set(STAGES)

    run(scenario())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("failed", STAGES)
def test_whatever_stage_fails_every_other_one_runs(failed: str, fault: str) -> None:
    async def scenario() -> None:
        server = busy()
        server.before, server.after = failing(lambda asked: stage(asked) == failed, fault)
        await one_pass(server, POLICY)
        missing = {"sweep"} if failed == "apply" else set()
        if failed == "status":
            # What it promises isn't written, so nothing is applied, and so nothing is swept. Evictions go on, within their limit.
            missing = {"apply", "sweep"}
        assert done(server) == set(STAGES) - missing
        evicted = [a.path for a in server.asked if stage(a) == "evict"]
        assert len(evicted) == 2
        assert sum(stage(a) == "prove" for a in server.asked) == 2
        stays = failed in ("apply", "status") or (failed == "sweep" and fault != "lost answer")
        assert [p for p in server.objects if LEFT in p] == (left() if stays else [])

    run(scenario())


def left() -> list[str]:
    root = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
    return [f"{root}ybindings/{LEFT}", f"{root}ies/{LEFT}"]


def test_no_event_tells_of_a_deletion_that_didnt_happen() -> None:
    async def scenario() -> None:
        server = busy()
        server.before, server.after = failing(lambda asked: asked.path.endswith("/report-0"), "403")
        await one_pass(server, POLICY)
        told = [e["involvedObject"]["name"] for e in server.events if e["message"].startswith("deleted: ")]
        assert told == ["report-1"]

    run(scenario())


def test_an_event_that_times_out_drops_nothing() -> None:
    async def scenario() -> None:
        server = busy()
        server.before, server.after = failing(lambda asked: asked.path.endswith("/events"), "no answer")
        cluster = await one_pass(server, POLICY)
        assert [
            p for p in server.objects if "/pods/" in p and "deletionTimestamp" not in server.objects[p]["metadata"]
        ] == []
        assert cluster.store.snapshot().reports == {}
        assert cluster.leader._evictor._failures == {}
        assert condition(server, POLICY, "Compiled")[:2] == ("True", "Applied")

    run(scenario())


@pytest.mark.parametrize("fault", ["no answer", "429", "500"])
def test_a_canary_without_a_verdict_stops_neither_evictions_nor_the_status(fault: str) -> None:
    async def scenario() -> None:
        server = busy()
        server.before, server.after = failing(lambda asked: asked.verb == "try", fault)
        await one_pass(server, POLICY)
        assert sum(server.evicted.values()) == 4  # two pods, and what was left over
        assert condition(server, POLICY, "Enforced")[:2] == ("Unknown", "CanaryFailed")

    run(scenario())


@pytest.mark.parametrize("fault", ["no answer", "429", "500"])
def test_a_proof_lasts_a_quarter_of_an_hour_while_canaries_have_no_verdict_and_one_that_has_heals_it(
    fault: str,
) -> None:
    async def scenario() -> None:
        server = serve(calm(models=[]))
        cluster = Cluster(server)
        await cluster.start()
        await cluster.settle(60)
        assert condition(server, POLICY, "Enforced")[:2] == ("True", "CanaryRefused")
        server.before, server.after = failing(lambda asked: asked.verb == "try", fault)
        await cluster.settle(800)
        assert condition(server, POLICY, "Enforced")[:2] == ("True", "CanaryRefused")
        await cluster.settle(200)
        assert condition(server, POLICY, "Enforced")[:2] == ("Unknown", "CanaryFailed")
        assert condition(server, POLICY, "Ready")[0] == "Unknown"
        server.before = None
        await cluster.settle(20)
        assert condition(server, POLICY, "Enforced")[:2] == ("True", "CanaryRefused")
        await cluster.stop()

    run(scenario())


@pytest.mark.parametrize("fault", ["403", "422", "500", "no answer"])
@pytest.mark.parametrize(
    ("failed", "type_", "reason"),
    [
        ("apply", "Compiled", "ApplyFailed"),
        ("evict", "Upheld", "EvictionFailed"),
        ("sweep", "Compiled", "ApplyIncomplete"),
    ],
)
def test_the_status_tells_what_fails_for_as_long_as_it_does(failed: str, type_: str, reason: str, fault: str) -> None:
    async def scenario() -> None:
        server = busy()
        server.before, server.after = failing(lambda asked: stage(asked) == failed, fault)
        cluster = Cluster(server)
        await cluster.start()
        for _ in range(30):
            await cluster.settle(5)
            status, why, message = condition(server, POLICY, type_)
            assert (status, why) == ("False", reason)
            assert "timed out" in message or "a fault with" in message
            assert condition(server, POLICY, "Ready")[0] != "True"
        # It isn't tried all the time.
        tries = Counter(asked.path for asked in server.asked if stage(asked) == failed)
        assert max(tries.values()) < 50
        server.before = None
        await cluster.settle(90)
        assert condition(server, POLICY, type_)[0] == "True"
        assert cluster.store.snapshot().reports == {}
        await cluster.stop()

    run(scenario())


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_made_of_a_model_while_its_promise_isnt_written(fault: str) -> None:
    async def scenario() -> None:
        server = serve(calm(), guarded=True)
        server.before, server.after = failing(lambda asked: stage(asked) == "status", fault)
        cluster = await one_pass(server, MODEL)
        assert done(server) == {"status"}
        assert "nothing is applied" in cluster.store.snapshot().reports[MODEL].apply

    run(scenario())


@pytest.mark.parametrize("fault", ["403", "422", "500", "no answer"])
def test_a_model_tells_that_its_workload_cant_be_made_and_what_comes_after_isnt_made(fault: str) -> None:
    async def scenario() -> None:
        server = serve(calm())
        server.before, server.after = failing(lambda asked: "/networkpolicies/deepseek" in asked.path, fault)
        cluster = Cluster(server)
        await cluster.start()
        await cluster.settle(40)
        status, why, message = condition(server, MODEL, "WorkloadReady")
        assert (status, why) == ("False", "ApplyFailed")
        assert "NetworkPolicy/treasury/deepseek" in message
        assert not [p for p in server.objects if "/deployments/" in p]
        server.before = None
        await cluster.settle(60)
        assert [p for p in server.objects if "/deployments/" in p]
        await cluster.stop()

    run(scenario())


def test_a_stopped_model_that_cant_be_deleted_says_so() -> None:
    async def scenario() -> None:
        server = serve(calm(models=[model()]))
        cluster = Cluster(server)
        await cluster.start()
        await cluster.settle(60)
        server.before, server.after = failing(lambda asked: asked.verb == "DELETE", "403")
        server.edit(MODEL, spec={"model": {"license": "unknown-1.0"}})
        server.edit(POLICY, spec={"models": {"licenses": ["MIT"]}})
        # What a policy doesn't accept any more has its grace period first.
        await cluster.settle(70)
        for _ in range(10):
            await cluster.settle(5)
            assert condition(server, MODEL, "PolicyCompliant")[:2] == ("False", "EvictionFailed")
        assert sum(asked.verb == "DELETE" for asked in server.asked) < 20
        server.before = None
        await cluster.settle(60)
        assert condition(server, MODEL, "PolicyCompliant")[:2] == ("False", "PolicyViolation")
        assert not [p for p in server.objects if "/deployments/" in p]
        await cluster.stop()

    run(scenario())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_guard_that_cant_be_applied_holds_back_no_other(fault: str) -> None:
    async def scenario() -> None:
        server = serve(World(models=[]))
        await one_pass(server, POLICY)
        guards = sorted(
            path for path in server.objects if "validatingadmissionpolic" in path and "confidential." in path
        )
        assert len(guards) > 4
        server = serve(World(models=[]))
        server.before, server.after = failing(lambda asked: asked.writes and asked.path == guards[0], fault)
        cluster = await one_pass(server, POLICY)
        made = {path for path in server.objects if path in guards}
        if "answer" not in fault:
            assert made == {*guards[1:]}
        assert condition(server, POLICY, "Compiled")[:2] == ("False", "ApplyFailed")
        server.before = server.after = None
        await cluster.leader._try(POLICY)
        assert {path for path in server.objects if path in guards} == {*guards}
        assert condition(server, POLICY, "Compiled")[0] == "True"

    run(scenario())
