"""A brake lets no more go than its limit in ten minutes, but always one; what it holds stays held until its batch is released."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.api.names import eligible_label
from daulat.api.policy import SovereigntyPolicyStatus
from daulat.api.status import write_status
from daulat.api.timestamps import stamp
from daulat.facts.charge import WINDOW, Charge
from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.ref import Ref
from daulat.operator.leader import Leader
from daulat.process.lease import Lease
from daulat.reconcile.inventory.nodes import reconcile_node
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.policy.brake import Brake
from daulat.reconcile.policy.drift import Watch
from daulat.reconcile.policy.reconciler import reconcile_policy
from daulat.reconcile.result import Delete, PatchNode
from tests.unit.world import ASCEND, ASCEND_RESOURCE, Raw, World, ascend, child, model, pod, policy, the_policy

NOW = 1_800_000_000.0
PIN = {eligible_label("confidential"): "eligible"}
REF = Ref("SovereigntyPolicy", "", "confidential")
MODEL = Ref("SovereignModel", "treasury", "deepseek")
ENFORCED: Raw = {"models": {"sources": ["oci://elsewhere.example.my/"]}}


def running(name: str, on: str, **more: Any) -> Raw:
    raw = pod(name, on=on, pins=PIN, **more)
    raw["metadata"]["uid"] = f"uid-{name}"
    return raw


def _blocks(watch: Watch) -> Raw:
    """Return what the status has of the brake and of drift."""
    drift, undecided = watch.drifted() or None, watch.undecided_nodes() or None
    return write_status(SovereigntyPolicyStatus(drift=drift, undecided=undecided, brake=watch.brake_status()))


@dataclass
class Play:
    """A policy with pods on a node that isn't eligible, and the operator's passes over it as time goes on."""

    limit: int
    now: float = NOW
    number: int = 0
    status: Raw = field(default_factory=dict)
    spec: Raw = field(default_factory=dict)
    pods: list[Raw] = field(default_factory=list)
    taken: list[tuple[float, str, int]] = field(default_factory=list)
    """When each pod was taken away first, and the limit then."""

    def __post_init__(self) -> None:
        self.store = Store("daulat-system")
        for raw in (ascend("a1"), ascend("gone", site="")):
            self.store.apply("Node", raw)
        for kind, raws in (("Namespace", World().namespaces), ("SovereignZone", World().zones)):
            for raw in raws:
                self.store.apply(kind, raw)
        for raw in World().profiles:
            self.store.apply("AcceleratorProfile", raw)
        self._write()

    def come(self, count: int, on: str) -> None:
        """Let pods come."""
        for _ in range(count):
            self.number += 1
            raw = running(f"p{self.number}", on)
            self.pods.append(raw)
            self.store.apply("Pod", raw)

    def passes(self, carried_out: bool = True) -> None:
        """Carry one pass out, or fail to delete anything."""
        snapshot = self.store.snapshot()
        limit = Brake(the_policy(snapshot), snapshot, self.now).limit
        watch = Watch(the_policy(snapshot), snapshot, self.now)
        evictions, told = watch.evictions(), _blocks(watch)
        for effect in evictions:
            for name in effect.charged_to:
                self.store.record_charge(name, Charge(effect.uid, effect.pods, self.now))
            if effect.uid not in {uid for _, uid, _ in self.taken}:
                self.taken.append((self.now, effect.uid, limit))
        self.status = told
        self._write()
        if carried_out:
            for raw in [p for p in self.pods if p["metadata"]["uid"] in {e.uid for e in evictions}]:
                self.pods.remove(raw)
                self.number += 1
                self.store.delete("Pod", {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self.number)}})

    def release(self, batch: str) -> None:
        """Write a batch into the policy."""
        self.spec = {"drift": {"release": batch}}
        self._write()

    @property
    def brake(self) -> Raw:
        """What the status says."""
        return self.status.get("brake") or {}

    def _write(self) -> None:
        self.number += 1
        raw = policy(drift={"limit": f"{self.limit}%", "gracePeriod": "0s", **self.spec.get("drift", {})})
        raw["status"] = self.status
        raw["metadata"]["resourceVersion"] = str(self.number)
        self.store.apply("SovereigntyPolicy", raw)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(1, 12)),
        st.tuples(st.just("stay"), st.integers(1, 12)),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 300, 599, 600, 601])),
        st.tuples(st.just("pass"), st.booleans()),
    ),
    max_size=25,
)


def played(limit: int, steps: list[tuple[str, Any]]) -> Iterator[Play]:
    play = Play(limit)
    for what, how in steps:
        if what == "wait":
            play.now += how
        elif what == "pass":
            play.passes(carried_out=how)
        else:
            play.come(how, "gone" if what == "come" else "a1")
        yield play


@settings(max_examples=60)
@given(st.integers(1, 100), STEPS)
def test_no_more_than_the_limit_goes_in_any_ten_minutes_but_always_one(
    limit: int, steps: list[tuple[str, Any]]
) -> None:
    for play in played(limit, steps):
        for at, _, _ in play.taken:
            window = [most for when, _, most in play.taken if at - WINDOW < when <= at]
            assert len(window) <= max(1, *window)


@settings(max_examples=60)
@given(st.integers(1, 100), STEPS)
def test_a_held_batch_stays_held_for_ever_and_keeps_its_name(limit: int, steps: list[tuple[str, Any]]) -> None:
    batch, gone = "", 0
    for play in played(limit, steps):
        if batch:
            assert play.brake["batch"] == batch
            assert len(play.taken) == gone
        batch, gone = play.brake.get("batch", ""), len(play.taken)


def engaged(count: int = 10) -> Play:
    """Return a policy of which a batch is held."""
    play = Play(20)
    play.come(count, "gone")
    play.passes()
    assert play.brake["held"] == count - max(1, count // 5)
    return play


@given(st.integers(0, 10_000), st.one_of(st.just(0), st.integers(-100_000, 100_000)))
def test_only_a_release_of_its_batch_lets_it_go(wait: int, off: int) -> None:
    play = engaged()
    play.now += wait
    play.release(stamp(NOW + off))
    play.passes()
    assert len(play.taken) == (2 if off else 10)
    assert ("batch" in play.brake) is bool(off)


@given(st.integers(1, 100_000), st.integers(0, 100_000))
def test_a_release_of_a_time_to_come_releases_nothing_when_it_has_come(off: int, later: int) -> None:
    play = engaged()
    play.release(stamp(NOW + off))
    play.passes()
    play.now = NOW + off + later
    play.passes()
    assert len(play.taken) == 2
    assert play.brake["held"] == 8


def test_a_batch_that_was_released_stays_so_until_all_of_it_is_gone() -> None:
    play = engaged()
    batch = play.brake["batch"]
    play.release(batch)
    for _ in range(3):
        play.passes(carried_out=False)
        play.now += WINDOW
        assert play.brake["released"] == batch
        assert "batch" not in play.brake
    play.passes()
    assert play.pods == []


def test_what_comes_after_a_batch_isnt_released_with_it() -> None:
    play = engaged()
    batch = play.brake["batch"]
    play.now += 100
    play.release(batch)
    play.passes()
    assert len(play.taken) == 10
    assert "batch" not in play.brake
    # The node's pods of later are due since later: for them the brake is as it was.
    play.now += 3600
    play.passes()
    play.come(10, "gone")
    play.passes()
    assert play.brake["held"] == 8
    assert play.brake["batch"] != batch


@given(st.integers(1, 10))
def test_a_deletion_that_fails_is_charged_once_however_often_it_is_tried(tries: int) -> None:
    play = Play(20)
    play.come(10, "gone")
    for _ in range(tries):
        play.passes(carried_out=False)
        play.now += 5
    assert len(play.taken) == 2
    assert play.brake["evicted"] == 2
    assert play.brake["held"] == 8


def test_a_new_leader_counts_what_the_one_before_has_evicted() -> None:
    play = Play(20)
    play.come(10, "gone")
    play.passes()
    play.come(5, "gone")
    play.status.pop("brake", None)  # Nothing is held, so that only the count keeps the next ones.
    play.status["brake"] = {"limit": 2, "evicted": 2, "lastEvictionTime": stamp(NOW), "held": 0}
    play._write()
    fresh = Store("daulat-system")
    for kind, raws in (("Namespace", World().namespaces), ("SovereignZone", World().zones)):
        for raw in raws:
            fresh.apply(kind, raw)
    for raw in World().profiles:
        fresh.apply("AcceleratorProfile", raw)
    for raw in (ascend("a1"), ascend("gone", site="")):
        fresh.apply("Node", raw)
    for raw in play.pods:
        fresh.apply("Pod", raw)
    raw = policy(drift={"limit": "20%", "gracePeriod": "0s"})
    fresh.apply("SovereigntyPolicy", {**raw, "status": play.status})
    client = cast("Client", object())
    leader = Leader(client, fresh, Lease(client, "daulat-system", "new", "daulat-operator"), "new")
    forgetful = reconcile_policy(REF, fresh.snapshot(), NOW + 60)
    assert len(forgetful.evict) == 2
    leader._take_over()
    assert fresh.snapshot().charges["confidential"] == (Charge("", 2, NOW),)
    aware = reconcile_policy(REF, fresh.snapshot(), NOW + 60)
    assert len(aware.evict) == 1  # 20 % of the 13 that run and the 2 that did are 3.
    assert len(reconcile_policy(REF, fresh.snapshot(), NOW + WINDOW).evict) == 2


def test_labels_are_taken_from_nodes_while_a_batch_is_held() -> None:
    play = engaged()
    labelled = ascend("gone", site="", labels=PIN)
    play.store.apply("Node", {**labelled, "metadata": {**labelled["metadata"], "resourceVersion": "7"}})
    assert Brake(the_policy(play.store.snapshot()), play.store.snapshot(), play.now).held
    (patch,) = reconcile_node(Ref("Node", "", "gone"), play.store.snapshot(), play.now).apply
    assert isinstance(patch, PatchNode)
    assert patch.labels == dict.fromkeys(PIN)


def serving(name: str, count: int) -> tuple[Raw, Raw, list[Raw]]:
    """Return a model, its Deployment and its pods."""
    where = {"zone": "cyberjaya-1", "accelerator": ASCEND, "resource": ASCEND_RESOURCE}
    made = child("Deployment", name, "treasury", name, spec={"replicas": count})
    pods = [running(f"{name}-{n}", "a1", model=name, devices={ASCEND_RESOURCE: 1}) for n in range(count)]
    return model(name, replicas=count, status={"placement": where}), made, pods


def models(counts: dict[str, int], charges: list[Charge], **spec: Any) -> World:
    """Return a world whose policy refuses its models, and lets them stop at once."""
    found = [serving(name, count) for name, count in counts.items()]
    return World(
        nodes=[ascend("a1"), ascend("a2")],
        models=[m for m, _, _ in found],
        children=[c for _, c, _ in found],
        pods=[p for _, _, pods in found for p in pods],
        policies=[policy(**{**ENFORCED, "drift": {"limit": "20%", "gracePeriod": "0s", **spec}})],
        charges={"confidential": charges},
    )


def stopped(world: World, name: str, now: float = NOW) -> list[Delete]:
    result = reconcile_model(Ref("SovereignModel", "treasury", name), world.snapshot(), now)
    return [e for e in result.evict if e.ref.kind == "Deployment"]


def told(world: World, name: str) -> str:
    result = reconcile_model(Ref("SovereignModel", "treasury", name), world.snapshot(), NOW)
    said = result.status[0].status["conditions"]
    return next(str(c["reason"]) for c in said if c["type"] == "PolicyCompliant")


def test_one_workload_may_always_be_stopped_and_the_next_one_is_held_beyond_the_limit() -> None:
    world = models({"x": 4, "y": 4}, [])
    (first,) = stopped(world, "x")
    assert (first.charged_to, first.charge_id, first.pods) == (("confidential",), "uid-treasury-x", 4)
    world.charges["confidential"] = [Charge(first.charge_id, first.pods, NOW)]
    assert stopped(world, "y") == []
    assert told(world, "y") == "BrakeHeld"
    assert stopped(world, "y", NOW + WINDOW)


def test_a_workload_within_what_is_left_of_the_limit_is_stopped() -> None:
    world = models({"x": 1, "y": 19}, [Charge("another", 1, NOW)])
    assert stopped(world, "x")
    assert stopped(world, "y") == []


def test_a_held_batch_holds_workloads_too_until_it_is_released() -> None:
    world = models({"x": 1}, [])
    world.policies[0]["status"] = {"brake": {"batch": stamp(NOW - 5000), "held": 3}}
    assert stopped(world, "x") == []
    assert told(world, "x") == "BrakeHeld"
    since = [{"type": "PolicyCompliant", "status": "False", "lastTransitionTime": stamp(NOW - 6000)}]
    world.models[0]["status"]["conditions"] = since
    world.policies[0]["spec"]["drift"]["release"] = stamp(NOW - 5000)
    assert stopped(world, "x")


def test_a_workload_whose_pods_go_one_by_one_is_charged_with_all_that_it_had() -> None:
    world = models({"x": 4}, [])
    store = world.store()
    store.record_charge("confidential", Charge("uid-treasury-x", 4, NOW))
    store.record_charge("confidential", Charge("uid-treasury-x", 1, NOW + 10))
    assert [c.pods for c in store.snapshot().charges["confidential"]] == [4]


def test_a_workload_that_has_grown_since_it_was_charged_isnt_taken_for_a_retry() -> None:
    charges = [Charge("another", 1, NOW), Charge("uid-treasury-x", 2, NOW)]
    assert stopped(models({"x": 2}, charges), "x")
    assert stopped(models({"x": 9}, charges), "x") == []


def test_a_model_without_running_pods_is_stopped_whatever_is_held() -> None:
    world = models({"x": 1}, [])
    world.pods = []
    world.policies[0]["status"] = {"brake": {"batch": stamp(NOW), "held": 3}}
    assert stopped(world, "x")
