"""Nothing that the operator remembers outlives what it is about: a cluster's objects come and go for years."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.facts.charge import Charge
from daulat.facts.snapshot import Canary
from daulat.kube.ref import Ref
from daulat.operator.events import KEPT, SAME, Recorder
from daulat.reconcile.result import EmitEvent
from tests.unit.world import World, ascend, model, namespace, policy, zone

from .cluster import Cluster, serve
from .controllers import Deployments
from .scenarios import calm, new_pods
from .server import FakeServer, refusal
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")

ROUNDS = 4


def entries(value: Any, seen: set[int], depth: int = 0) -> int:
    """Count what containers hold, all the way down."""
    if id(value) in seen or depth > 40 or isinstance(value, (str, bytes, int, float, type(None), FakeServer)):
        return 0
    seen.add(id(value))
    if isinstance(value, dict):
        return sum(1 + entries(k, seen, depth + 1) + entries(v, seen, depth + 1) for k, v in list(value.items()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return sum(1 + entries(one, seen, depth + 1) for one in list(value))
    return 0


def held(cluster: Cluster) -> dict[str, int]:
    """Return how much each part of the operator holds."""
    leader, store = cluster.leader, cluster.store
    parts = {
        "store": store,
        "executor": leader._executor,
        "recorder": leader._executor._recorder,
        "queue": leader._queue,
        "serial": leader._serial,
        "evictor": leader._evictor,
        "derived": store._derived,
        **{type(one).__name__: one for one in store._derived._values.values()},
    }
    found: dict[str, int] = {}
    for part, one in parts.items():
        for name, value in vars(one).items():
            # Frozen facts hold their like for as long as they are held themselves.
            found[f"{part}.{name}"] = entries(value, set())
    return found


async def come_and_go(server: FakeServer, cluster: Cluster, number: int) -> None:
    """Let one of everything come under a new name, be worked on with failures, and go."""
    site, space = f"site-{number}", f"lab-{number}"
    labels = {"daulat.dev/data-class": f"class-{number}"}
    made: list[tuple[str, dict[str, Any]]] = [
        ("Namespace", {"metadata": {"name": space, "labels": labels}}),
        ("Node", ascend(f"n-{number}", site=site)),
        ("Node", ascend(f"x-{number}")),
        ("SovereignZone", zone(site)),
        ("SovereigntyPolicy", policy(f"p-{number}", namespaceSelector={"matchLabels": labels})),
        ("SovereignModel", model(f"m-{number}", namespace=space)),
    ]

    async def fail(asked: Any) -> None:
        if number % 2 and "events" not in asked.path and asked.writes and len(server.asked) % 5 == 0:
            raise refusal(500)

    server.before = fail
    for kind, raw in made:
        server.put(kind, raw)
    await cluster.settle(90)
    for kind, raw in reversed(made):
        server.remove(Ref.of(kind, raw))
    await cluster.settle(90)
    server.before = None
    await cluster.settle(700)
    cluster.store.snapshot()
    server.asked.clear()


def test_what_is_remembered_doesnt_grow_with_what_came_and_went() -> None:
    async def scenario() -> None:
        server = serve(calm())
        Deployments(server)
        cluster = Cluster(server)
        await cluster.start()
        await come_and_go(server, cluster, 0)
        await come_and_go(server, cluster, 1)
        before = held(cluster)
        for number in range(2, 2 + ROUNDS):
            await come_and_go(server, cluster, number)
        await cluster.relist()
        after = held(cluster)
        grown = {name: (before.get(name, 0), n) for name, n in after.items() if n > before.get(name, 0) + ROUNDS - 1}
        assert grown == {}
        await cluster.stop()

    run(scenario())


def test_what_was_charged_and_tried_of_a_policy_goes_with_it() -> None:
    store = World().store()
    ref = Ref("SovereigntyPolicy", "", "confidential")
    for _ in range(2):  # What comes of a request that was under way when the policy went is no news either.
        store.record_charge("confidential", Charge("uid-1", 1, 0.0))
        store.record_canary("confidential", Canary("treasury", True, "", 0.0))
        store.record_canary("confidential/ungoverned", Canary("treasury", True, "", 0.0))
        store.delete(ref.kind, {"metadata": {"name": ref.name, "resourceVersion": "99"}})
        assert (store.snapshot().charges, store.snapshot().canaries) == ({}, {})


def test_a_report_goes_with_its_object() -> None:
    async def scenario() -> None:
        server = serve(calm(models=[]))
        cluster = Cluster(server)
        await cluster.start()

        async def fail(asked: Any) -> None:
            if "/lab/" in asked.path:
                raise refusal(403)

        server.before = fail
        server.put("Namespace", namespace("lab"))
        server.put("SovereignModel", model("m", namespace="lab"))
        await cluster.settle(60)
        assert Ref("SovereignModel", "lab", "m") in cluster.store.snapshot().reports
        server.remove(Ref("SovereignModel", "lab", "m"))
        server.remove(Ref("Namespace", "", "lab"))
        await cluster.settle(60)
        assert cluster.store.snapshot().reports == {}
        await cluster.stop()

    run(scenario())


def test_evictions_that_were_given_up_are_forgotten() -> None:
    async def scenario() -> None:
        server = serve(calm(models=[], nodes=[ascend("a1", site=""), ascend("a2")]))
        new_pods(server)
        cluster = Cluster(server)

        async def fail(asked: Any) -> None:
            if asked.verb == "DELETE":
                raise refusal(500)

        server.before = fail
        await cluster.start()
        await cluster.settle(120)
        assert cluster.leader._evictor._failures
        for number in range(3):
            server.remove(Ref("Pod", "treasury", f"report-{number}"))
        await cluster.settle(120)
        assert cluster.leader._evictor._failures == {}
        assert cluster.leader._evictor._futures == {}
        await cluster.stop()

    run(scenario())


def test_recorded_events_are_remembered_for_two_minutes_and_never_too_many() -> None:
    async def scenario() -> None:
        now = 0.0
        server = FakeServer()
        recorder = Recorder(server, lambda: now, "test")

        def event(number: int) -> EmitEvent:
            return EmitEvent(Ref("Pod", "treasury", "p"), f"uid-{number}", "Normal", "Reason", "message")

        for number in range(KEPT + 10):
            await recorder.record(event(number))
        assert len(recorder._recorded) == KEPT
        assert not await recorder.record(event(KEPT + 9))
        now += SAME
        assert await recorder.record(event(KEPT + 9))
        assert len(recorder._recorded) == 1

    run(scenario())
