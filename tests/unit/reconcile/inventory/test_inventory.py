"""Zones, profiles, exemptions, nodes; conditions; and who is concerned by a change."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api import reasons
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import cut, told, write
from daulat.reconcile.model.capacity import KEY as ROOM
from daulat.reconcile.policy.ungoverned import KEY
from daulat.reconcile.registry import RECONCILERS, concerned, everything, reconcile
from daulat.reconcile.result import ApplyStatus, LabelNode, Outcome, Record
from daulat.workload.group import group_name
from tests.unit.world import (
    ASCEND,
    H20,
    World,
    ascend,
    child,
    device,
    exemption,
    model,
    namespace,
    node,
    offered,
    pod,
    zone,
)

NOW = 1_800_000_000.0
ZONE, PROFILE = Ref("SovereignZone", "", "cyberjaya-1"), Ref("AcceleratorProfile", "", ASCEND)
EXEMPTION = Ref("SovereigntyExemption", "", "e")
MODEL = Ref("SovereignModel", "treasury", "deepseek")
POLICY = Ref("SovereigntyPolicy", "", "confidential")
OBJECT = Ref("SovereignZone", "", "z")


def run(ref: Ref, world: World, now: float = NOW) -> Outcome:
    return reconcile(ref, world.snapshot(), now)


def status(outcome: Outcome) -> dict[str, Any]:
    (found,) = [e.status for e in outcome.effects if isinstance(e, ApplyStatus)]
    return found


def condition(outcome: Outcome, type_: str) -> tuple[str, str]:
    found = next(c for c in status(outcome)["conditions"] if c["type"] == type_)
    return found["status"], found["reason"]


def test_a_zone_counts_its_nodes_and_devices() -> None:
    found = status(run(ZONE, World()))
    assert (found["nodes"], found["conflictingNodes"], found["devices"]) == (3, 0, 24)
    assert found["accelerators"][0] == {
        "profile": ASCEND,
        "resource": "huawei.com/Ascend910",
        "nodes": 2,
        "devices": 16,
    }


def test_a_zone_tells_which_nodes_it_shares() -> None:
    twin = zone("twin")
    twin["spec"]["nodeSelector"] = {"matchLabels": {"nvidia.com/gpu.product": "NVIDIA-H20"}}
    outcome = run(ZONE, World(zones=[zone(), twin]))
    assert condition(outcome, "Certified") == ("False", "NodesInConflict")
    assert status(outcome)["conflictingNodes"] == 1
    assert "h1 is claimed by zones" in status(outcome)["conditions"][0]["message"]


def test_a_zone_that_selects_by_a_label_which_a_kubelet_can_write_is_weak_evidence() -> None:
    weak = zone()
    weak["spec"]["nodeSelector"] = {"matchLabels": {"topology.kubernetes.io/zone": "a"}}
    assert condition(run(ZONE, World(zones=[weak])), "WeakEvidence") == ("True", "SelectsUnprotectedLabels")
    assert condition(run(ZONE, World()), "WeakEvidence") == ("False", "SelectsProtectedLabels")


def test_a_profile_tells_where_its_accelerator_is() -> None:
    assert status(run(PROFILE, World()))["devices"] == 16
    assert condition(run(PROFILE, World(nodes=[])), "Found") == ("False", "NoDevicesFound")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (exemption(), ("True", "InForce")),
        (exemption(expiresAt="2020-01-01T00:00:00Z"), ("False", "Expired")),
        (exemption(policy="other"), ("False", "PolicyNotFound")),
        (exemption(expiresAt="soon"), ("False", "Invalid")),
    ],
)
def test_an_exemption_says_whether_it_is_in_force(raw: dict[str, Any], expected: tuple[str, str]) -> None:
    outcome = run(EXEMPTION, World(exemptions=[raw]))
    assert condition(outcome, "Active") == expected
    assert (outcome.requeue_after is not None) == (expected[0] == "True")


@pytest.mark.parametrize("ref", [ZONE, PROFILE, EXEMPTION])
def test_nothing_is_written_where_nothing_changed(ref: Ref) -> None:
    world = World(exemptions=[exemption()])
    world.with_status_of(run(ref, world).effects)
    assert run(ref, world, NOW + 60).effects == ()


@pytest.mark.parametrize(
    ("ref", "world"),
    [
        (ZONE, World(zones=[zone(country="x")])),
        (PROFILE, World(profiles=[{"metadata": {"name": ASCEND, "generation": 1}, "spec": {}}])),
    ],
)
def test_what_cant_be_read_is_told_once(ref: Ref, world: World) -> None:
    first = run(ref, world)
    assert status(first)["conditions"][0]["reason"] == "Invalid"
    world.with_status_of(first.effects)
    assert run(ref, world, NOW + 60).effects == ()


@pytest.mark.parametrize("kind", sorted(RECONCILERS.keys() - {KEY.kind}))
def test_an_object_that_is_gone_needs_nothing(kind: str) -> None:
    assert run(Ref(kind, "", "gone"), World()) == Outcome()


def test_a_node_is_labelled_and_then_left_alone() -> None:
    (effect,) = run(Ref("Node", "", "a1"), World()).effects
    assert isinstance(effect, LabelNode)
    labels: dict[str, Any] = {k: v for k, v in effect.labels.items() if v is not None}
    assert run(Ref("Node", "", "a1"), World(nodes=[ascend("a1", labels=labels)])) == Outcome()


def test_a_node_that_cant_be_read_keeps_its_labels() -> None:
    assert run(Ref("Node", "", "n"), World(nodes=[node("n", devices={"a/b": "1.5"})])) == Outcome()


def test_a_kind_that_nobody_reconciles_needs_nothing() -> None:
    assert run(Ref("Pod", "a", "b"), World()) == Outcome()


def write_one(
    before: dict[str, Any], holds: bool | None, text: str = "m", now: float = NOW, good: str = "True"
) -> list[Any]:
    return write(OBJECT, "u", 1, before, [told(reasons.CERTIFIED, holds, reasons.NO_NODES, text, good)], {}, now)


def test_a_new_message_keeps_the_time_and_tells_nobody() -> None:
    first = write_one({}, True)[0].status
    (effect,) = write_one(first, True, "other", NOW + 60)
    assert effect.status["conditions"][0]["message"] == "other"
    assert effect.status["conditions"][0]["lastTransitionTime"] == "2027-01-15T08:00:00Z"


def test_a_transition_has_its_own_time_and_event() -> None:
    first = write_one({}, True)[0].status
    applied, event = write_one(first, False, now=NOW + 60)
    assert applied.status["conditions"][0]["lastTransitionTime"] == "2027-01-15T08:01:00Z"
    assert (event.type, event.message) == ("Warning", "Certified=False: m")


def test_the_order_of_conditions_in_the_cluster_makes_no_difference() -> None:
    conditions = [
        told(reasons.WEAK_EVIDENCE, True, reasons.SELECTS_UNPROTECTED_LABELS, "m"),
        told(reasons.CERTIFIED, True, reasons.NODES_CERTIFIED, "m"),
    ]
    first = write(OBJECT, "u", 1, {}, conditions, {}, NOW)[0]
    assert isinstance(first, ApplyStatus)
    turned = {**first.status, "conditions": first.status["conditions"][::-1]}
    assert write(OBJECT, "u", 1, turned, conditions, {}, NOW + 60) == []


def test_a_weakness_that_is_absent_is_good_news() -> None:
    assert [e.type for e in write_one({}, False, good="False") if isinstance(e, Record)] == ["Normal"]
    assert [e.type for e in write_one({}, True, good="False") if isinstance(e, Record)] == ["Warning"]


def test_what_nobody_knows_yet_is_no_news() -> None:
    assert [type(e) for e in write_one({}, None)] == [ApplyStatus]


@pytest.mark.parametrize("letter", ["a", "é", "界", "😀"])
def test_a_message_is_cut_at_the_bytes_that_an_event_may_have(letter: str) -> None:
    assert len(cut(letter * 1024).encode()) <= 1024
    assert cut(letter * 2000).endswith(letter + "...")
    assert cut(letter * 200) == letter * 200


FULL = World(
    exemptions=[exemption()],
    models=[model(), model("other", "lab")],
    namespaces=[namespace(), namespace("lab")],
    pods=[pod("p", "a1", {"huawei.com/Ascend910": "1"}, model="deepseek")],
    children=[
        child("Deployment", "deepseek", "treasury", model="deepseek"),
        child("ValidatingAdmissionPolicy", "gone.pods.daulat.dev", policy="gone"),
    ],
)
OTHER = Ref("SovereignModel", "lab", "other")


@pytest.mark.parametrize(
    ("changed", "keys"),
    [
        (ZONE, {"Node/a1", "Node/h1", str(ZONE), str(PROFILE), str(POLICY), str(MODEL), str(OTHER)}),
        (PROFILE, {"Node/a1", str(ZONE), str(PROFILE), str(POLICY), str(MODEL)}),
        (POLICY, {"Node/a1", str(POLICY), str(MODEL), str(OTHER)}),
        (Ref("SovereigntyPolicy", "", "deleted"), {"SovereigntyPolicy/deleted", "Node/a1", str(MODEL)}),
        (EXEMPTION, {str(EXEMPTION), str(POLICY), str(MODEL)}),
        (Ref("Node", "", "a1"), {"Node/a1", str(ZONE), str(PROFILE), str(POLICY), str(MODEL), str(OTHER)}),
        (Ref("Namespace", "", "treasury"), {str(POLICY), str(MODEL)}),
        (MODEL, {str(MODEL), str(ROOM)}),
        (Ref("Pod", "treasury", "p"), {str(MODEL), str(ROOM)}),
        (Ref("Pod", "treasury", "vanished"), {str(ROOM)}),
        (Ref("Deployment", "treasury", "deepseek"), {str(MODEL)}),
        (Ref("ValidatingAdmissionPolicy", "", "gone.pods.daulat.dev"), {"SovereigntyPolicy/gone"}),
        (Ref("ValidatingAdmissionPolicyBinding", "", "vanished"), {str(POLICY)}),
    ],
    ids=lambda v: str(v) if isinstance(v, Ref) else "",
)
def test_a_change_concerns_all_that_read_it(changed: Ref, keys: set[str]) -> None:
    assert keys <= {str(r) for r in concerned(changed, FULL.snapshot())}


def test_a_namespace_concerns_its_own_models_alone() -> None:
    assert OTHER not in set(concerned(Ref("Namespace", "", "treasury"), FULL.snapshot()))


def test_a_full_pass_sweeps_after_policies_that_are_gone() -> None:
    assert {"SovereigntyPolicy/gone", str(POLICY), str(EXEMPTION), str(MODEL)} <= {
        str(r) for r in everything(FULL.snapshot())
    }


def test_devices_of_drivers_are_counted_for_their_profile_and_their_zone() -> None:
    offer = offered("n1", device("g0"), device("g1"), device("g2", "another product"))
    world = World(nodes=[node("n1")], slices=[offer])
    entry = {"profile": H20, "resource": "gpu.nvidia.com", "nodes": 1, "devices": 2}
    assert status(run(ZONE, world))["accelerators"] == [entry]
    found = status(run(Ref("AcceleratorProfile", "", H20), world))
    assert (found["nodes"], found["devices"]) == (1, 2)


def test_a_slice_concerns_its_node_and_one_that_is_gone_every_node() -> None:
    snapshot = World(nodes=[node("n1"), node("n2")], slices=[offered("n1", device("g0"), name="s")]).snapshot()
    nodes = [r.name for r in concerned(Ref("ResourceSlice", "", "s"), snapshot) if r.kind == "Node"]
    assert nodes == ["n1"]
    gone = [r.name for r in concerned(Ref("ResourceSlice", "", "t"), snapshot) if r.kind == "Node"]
    assert gone == ["n1", "n2"]
    assert MODEL in {*concerned(Ref("ResourceSlice", "", "s"), snapshot)}


def test_a_claim_concerns_the_models_that_wait() -> None:
    assert list(concerned(Ref("ResourceClaim", "treasury", "c"), World().snapshot())) == [ROOM]


@pytest.mark.parametrize("name", ["deepseek", "deepseek-0", "deepseek-0-w", "deepseek-weights"])
def test_what_was_made_for_a_model_concerns_it_when_it_is_gone(name: str) -> None:
    assert MODEL in set(concerned(Ref("StatefulSet", "treasury", name), FULL.snapshot()))


def test_what_a_long_name_was_shortened_to_still_tells_the_model() -> None:
    long = "m" * 30 + "-" + "n" * 19
    world = World(models=[model(long)])
    gone = Ref("StatefulSet", "treasury", group_name(long, 12))
    assert set(concerned(gone, world.snapshot())) == {Ref("SovereignModel", "treasury", long)}
