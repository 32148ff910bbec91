"""Devices are given away once, whatever the scheduler does, and the first preference is taken whenever it is free."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.api.model import SovereignModelStatus
from daulat.api.status import read_status
from daulat.facts.node import Node
from daulat.facts.store import Store
from daulat.kube.ref import Ref
from daulat.placement.capacity import DeviceAccounting, Fit
from daulat.placement.current_placement import placement_of
from daulat.reconcile.model.capacity import KEY, reconcile_capacity
from daulat.reconcile.model.decision import PATIENCE
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.result import ApplyStatus, Delete
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    H20,
    NVIDIA_RESOURCE,
    World,
    ascend,
    choice,
    guards_of,
    h20,
    model,
    pod,
    standing,
)

NOW = 1_800_000_000.0
RESOURCES = {ASCEND: ASCEND_RESOURCE, H20: NVIDIA_RESOURCE}


def accounting(*models: dict[str, Any], **world: Any) -> tuple[DeviceAccounting, list[Any]]:
    snapshot = World(models=list(models), **world).snapshot()
    return DeviceAccounting(snapshot, Ref("SovereignModel", "treasury", "new")), list(snapshot.nodes.values())


def waits(name: str, count: int, replicas: int = 1) -> dict[str, Any]:
    placed = standing(ASCEND, ASCEND_RESOURCE, "a1", "a2")
    return model(name, status=placed, accelerators=[choice(ASCEND, count)], replicas=replicas)


def asked(count: int, replicas: int, *models: dict[str, Any], ignore_waiting: bool = False, **world: Any) -> Fit:
    found, nodes = accounting(*models, **world)
    return found.room(nodes, ASCEND_RESOURCE, count, replicas, ignore_waiting=ignore_waiting)


def test_replicas_of_one_size_are_counted_one_by_one() -> None:
    others = [waits("x", 4, 2)]
    assert asked(4, 2, *others) is Fit.YES
    assert asked(4, 3, *others) is Fit.NO


def test_a_small_pod_that_waits_may_spoil_the_last_node_for_a_large_one() -> None:
    assert asked(8, 1, waits("x", 1)) is Fit.YES
    assert asked(8, 2, waits("x", 1)) is Fit.NO
    assert asked(8, 1, waits("x", 1), waits("y", 1)) is Fit.DEPENDS


def test_a_large_pod_that_waits_keeps_its_place_from_small_ones() -> None:
    assert asked(1, 1, waits("x", 8)) is Fit.YES
    assert asked(1, 1, waits("x", 8), waits("y", 1)) is Fit.DEPENDS
    assert asked(1, 8, waits("x", 8)) is Fit.DEPENDS
    assert asked(1, 9, waits("x", 8)) is Fit.NO


def test_those_who_wait_too_long_are_protected_no_more_and_still_keep_what_they_can_take() -> None:
    assert asked(1, 1, waits("x", 8), waits("y", 1), ignore_waiting=True) is Fit.YES
    assert asked(8, 1, waits("x", 1), waits("y", 1), ignore_waiting=True) is Fit.DEPENDS


def test_a_replica_for_which_there_is_no_room_at_all_holds_nothing_up() -> None:
    held = [pod(f"p{n}", n, {ASCEND_RESOURCE: "1"}) for n in ("a1", "a2")]
    assert asked(7, 2, waits("x", 8), pods=held) is Fit.YES


def test_what_waits_for_other_devices_or_elsewhere_takes_nothing() -> None:
    elsewhere = waits("x", 8, 2)
    elsewhere["status"]["placement"]["zone"] = "johor-1"
    on_h20 = model("y", status=standing(H20, NVIDIA_RESOURCE, "h1"), accelerators=[choice(H20, 8)])
    assert asked(8, 2, elsewhere, on_h20) is Fit.YES


def test_pods_that_are_still_where_the_model_was_before_hold_nothing_of_the_new_place() -> None:
    moved = waits("x", 8, 2)
    before = [pod("p1", "h1", {NVIDIA_RESOURCE: "4"}, model="x"), pod("p2", "h1", {NVIDIA_RESOURCE: "4"}, model="x")]
    assert asked(8, 1, moved, pods=before) is Fit.NO


def test_a_promise_counts_before_it_is_written() -> None:
    world = World(models=[model("x", accelerators=[choice(ASCEND, 8)], replicas=2), model("new")])
    store = Store("daulat-system")
    for kind, raws in (("Node", world.nodes), ("SovereignZone", world.zones), ("AcceleratorProfile", world.profiles)):
        for raw in raws:
            store.apply(kind, raw)
    for kind, raws in (
        ("SovereigntyPolicy", world.policies),
        ("Namespace", world.namespaces),
        ("SovereignModel", world.models),
    ):
        for raw in raws:
            store.apply(kind, raw)
    promised = Ref("SovereignModel", "treasury", "x")

    def room() -> Fit:
        snapshot = store.snapshot()
        own = DeviceAccounting(snapshot, Ref("SovereignModel", "treasury", "new"))
        return own.room([n for n in snapshot.nodes.values() if isinstance(n, Node)], ASCEND_RESOURCE, 1, 1)

    assert room() is Fit.YES
    store.assume(promised, read_status(SovereignModelStatus, standing(ASCEND, ASCEND_RESOURCE, "a1", "a2")))
    assert room() is Fit.NO
    store.assume(promised, None)
    assert room() is Fit.YES


def test_a_model_waits_for_the_pods_of_others_and_not_for_ever() -> None:
    new = model("new", accelerators=[choice(ASCEND, 8), choice(H20, 8)])
    world = World(models=[new, waits("x", 1), waits("y", 1)])
    ref = Ref("SovereignModel", "treasury", "new")
    result = reconcile_model(ref, world.snapshot(), NOW)
    (told,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    placed = next(c for c in told["conditions"] if c["type"] == "Placed")
    assert (placed["status"], placed["reason"]) == ("Unknown", "WaitingForScheduling")
    assert result.requeue_after is not None
    assert result.requeue_after <= PATIENCE + 1
    world.with_status_of(result.effects)
    assert reconcile_capacity(KEY, world.snapshot(), NOW).enqueue == (ref,)
    later = reconcile_model(ref, world.snapshot(), NOW + PATIENCE + 1)
    (told,) = [e.status for e in later.effects if isinstance(e, ApplyStatus)]
    assert told["placement"]["accelerator"] == H20


def test_models_whose_devices_others_took_are_woken_before_they_have_pods() -> None:
    world = World(models=[waits("x", 8, 2)])
    assert reconcile_capacity(KEY, world.snapshot(), NOW).enqueue == ()
    world.models.append(waits("y", 4))
    woken = reconcile_capacity(KEY, world.snapshot(), NOW).enqueue
    assert [ref.name for ref in woken] == ["x", "y"]


@pytest.mark.parametrize("writes", [True, False])
def test_what_is_decided_is_not_given_away_again_whether_or_not_it_is_written(writes: bool) -> None:
    scene = Scene([ascend("a1")])
    for name in ("x", "y"):
        scene.ask(name, model(name, accelerators=[choice(ASCEND, 8)]))
    scene.decide("x", writes=writes)
    scene.decide("y", writes=writes)
    assert scene.placed() == ({"x"} if writes else set())
    assert scene.counted() == {"x"}


@dataclass
class Scene:
    """A cluster in which models are requested, decided on, and put on nodes by a scheduler that hates us."""

    nodes: list[dict[str, Any]]
    store: Store = field(default_factory=lambda: Store("daulat-system"))
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    version: int = 1

    def __post_init__(self) -> None:
        world = World(nodes=self.nodes)
        for kind, raws in (
            ("Node", world.nodes),
            ("SovereignZone", world.zones),
            ("SovereigntyPolicy", world.policies),
            ("Namespace", world.namespaces),
            ("AcceleratorProfile", world.profiles),
        ):
            for raw in raws:
                self.put(kind, raw)
        for guard in guards_of(world.policies[0]):
            self.put(guard["kind"], guard)

    def put(self, kind: str, raw: dict[str, Any]) -> None:
        self.version += 1
        self.store.apply(kind, {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self.version)}})

    def ask(self, name: str, raw: dict[str, Any]) -> None:
        self.models[name] = raw
        self.put("SovereignModel", raw)

    def decide(self, name: str, *, writes: bool = True) -> None:
        """Do as the operator does: promise, then write."""
        ref = Ref("SovereignModel", "treasury", name)
        result = reconcile_model(ref, self.store.snapshot(), NOW)
        told = next((e for e in result.effects if isinstance(e, ApplyStatus)), None)
        self.store.assume(ref, told.decided if told is not None else None)
        if told is not None and writes:
            self.models[name] = {**self.models[name], "status": told.status}
            self.put("SovereignModel", self.models[name])
            self.store.assume(ref, None)
        assert not any(isinstance(e, Delete) for e in result.effects)

    def accelerator(self, name: str) -> str:
        where = placement_of(read_status(SovereignModelStatus, self.models[name].get("status")))
        return where.accelerator if where else ""

    def placed(self) -> set[str]:
        return {name for name in self.models if self.accelerator(name)}

    def counted(self) -> set[str]:
        snapshot = self.store.snapshot()
        return {ref.name for ref, m in snapshot.known_models.items() if placement_of(snapshot.latest_status(ref, m))}

    def free(self, profile: str) -> Counter[str]:
        resource = RESOURCES[profile]
        left = Counter({n["metadata"]["name"]: int(n["status"]["allocatable"].get(resource, 0)) for n in self.nodes})
        for pods in self.pods.values():
            for node, of, count in pods:
                left[node] -= count if of == resource else 0
        return left

    def waiting(self) -> list[str]:
        return [n for n in sorted(self.placed()) if len(self.pods.get(n, ())) < self.models[n]["spec"]["replicas"]]

    def schedule(self, name: str, draw: random.Random) -> None:
        """Put one pod of the model on any node that has room for it. There must be one: it was promised."""
        profile = self.accelerator(name)
        count = next(a["count"] for a in self.models[name]["spec"]["accelerators"] if a["profile"] == profile)
        able = [node for node, left in self.free(profile).items() if left >= count]
        assert able, f"{name} was promised {count} devices of {profile}, and no node has them"
        own = self.pods.setdefault(name, [])
        own.append((draw.choice(able), RESOURCES[profile], count))
        self.put("Pod", pod(f"{name}-{len(own)}", own[-1][0], {RESOURCES[profile]: str(count)}, model=name))


sizes = st.tuples(st.sampled_from([1, 2, 3, 4, 8]), st.sampled_from([1, 2, 4]), st.integers(1, 3))


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.integers(1, 9), min_size=0, max_size=2),
    st.lists(sizes, min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_no_device_is_promised_twice_and_the_first_preference_is_taken_whenever_it_is_free(
    ascends: list[int], h20s: list[int], asked: list[tuple[int, int, int]], draw: random.Random
) -> None:
    nodes = [ascend(f"a{n}", count=c) for n, c in enumerate(ascends)] + [
        h20(f"h{n}", count=c) for n, c in enumerate(h20s)
    ]
    scene = Scene(nodes)
    for number, (first, second, replicas) in enumerate(asked):
        spec: dict[str, Any] = {"accelerators": [choice(ASCEND, first), choice(H20, second)], "replicas": replicas}
        scene.ask(f"m{number}", model(f"m{number}", **spec))
    undecided = set(scene.models)
    while undecided or scene.waiting():
        if scene.waiting() and (not undecided or draw.random() < 0.4):
            scene.schedule(draw.choice(scene.waiting()), draw)
            continue
        name = draw.choice(sorted(undecided))
        before = {p: scene.free(p) for p in RESOURCES}
        nobody_waits = not scene.waiting()
        scene.decide(name)
        spec, got = scene.models[name]["spec"], scene.accelerator(name)
        reason = next(c for c in scene.models[name]["status"]["conditions"] if c["type"] == "Placed")["reason"]
        if reason == "WaitingForScheduling":
            assert not nobody_waits, "it waits for others, and there are none"
            scene.schedule(draw.choice(scene.waiting()), draw)
            continue
        undecided.discard(name)
        for wanted in spec["accelerators"]:
            if wanted["profile"] == got:
                break
            room = sum(max(left, 0) // wanted["count"] for left in before[wanted["profile"]].values())
            assert not nobody_waits or room < spec["replicas"], f"{wanted['profile']} had room for {room}"
    for profile in RESOURCES:
        assert all(left >= 0 for left in scene.free(profile).values())
