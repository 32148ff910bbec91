"""Zones, profiles, exemptions, nodes; conditions; and who is concerned by a change."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.zone import SovereignZoneStatus
from daulat.facts.declared import Declared, parse_declared
from daulat.facts.snapshot import Zone
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import StatusChange, cut, status_change
from daulat.reconcile.conditions import condition as told
from daulat.reconcile.model.capacity import KEY as CAPACITY
from daulat.reconcile.policy.ungoverned import KEY
from daulat.reconcile.registry import BY_KIND, everything, reconcile
from daulat.reconcile.result import ApplyStatus, EmitEvent, PatchNode, Result
from tests.unit.world import (
    ASCEND,
    H20,
    Raw,
    World,
    ascend,
    child,
    choice,
    device,
    exemption,
    held,
    model,
    namespace,
    node,
    offered,
    pod,
    policy,
    zone,
)

NOW = 1_800_000_000.0
ZONE, PROFILE = Ref("SovereignZone", "", "cyberjaya-1"), Ref("AcceleratorProfile", "", ASCEND)
EXEMPTION = Ref("SovereigntyExemption", "", "e")
MODEL = Ref("SovereignModel", "treasury", "deepseek")
POLICY = Ref("SovereigntyPolicy", "", "confidential")
_SHIPPED = next(p for p in World().profiles if p["metadata"]["name"] == ASCEND)
OTHER_ASCEND: Raw = {**_SHIPPED, "spec": {**_SHIPPED["spec"], "product": "another"}}


def run(ref: Ref, world: World, now: float = NOW) -> Result:
    return reconcile(ref, world.snapshot(), now)


def status(result: Result) -> dict[str, Any]:
    (found,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    return found


def condition(result: Result, type_: str) -> tuple[str, str]:
    found = next(c for c in status(result)["conditions"] if c["type"] == type_)
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
    result = run(ZONE, World(zones=[zone(), twin]))
    assert condition(result, "Certified") == ("False", "NodesInConflict")
    assert status(result)["conflictingNodes"] == 1
    assert "h1 is claimed by zones" in status(result)["conditions"][0]["message"]


def test_a_zone_that_selects_by_a_label_which_a_kubelet_can_write_is_weak_evidence() -> None:
    weak = zone()
    weak["spec"]["nodeSelector"] = {"matchLabels": {"topology.kubernetes.io/zone": "a"}}
    assert condition(run(ZONE, World(zones=[weak])), "WeakEvidence") == ("True", "SelectsUnprotectedLabels")
    assert condition(run(ZONE, World()), "WeakEvidence") == ("False", "SelectsProtectedLabels")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ({"operator": "NotIn", "values": ["elsewhere"]}, ("True", "SelectsByAbsence")),
        ({"operator": "DoesNotExist"}, ("True", "SelectsByAbsence")),
        ({"operator": "In", "values": ["cyberjaya-1"]}, ("False", "SelectsProtectedLabels")),
        ({"operator": "Exists"}, ("False", "SelectsProtectedLabels")),
    ],
)
def test_a_zone_that_requires_no_label_is_weak_evidence(expression: dict[str, object], said: tuple[str, str]) -> None:
    """A kubelet registers its node without labels of record."""
    weak, site = zone(), {"key": "daulat.node-restriction.kubernetes.io/site"}
    weak["spec"]["nodeSelector"] = {"matchExpressions": [{**site, **expression}]}
    assert condition(run(ZONE, World(zones=[weak])), "WeakEvidence") == said
    # Narrowed by a label that a node must have, it is as good as that one.
    weak["spec"]["nodeSelector"]["matchLabels"] = {site["key"]: "cyberjaya-1"}
    assert condition(run(ZONE, World(zones=[weak])), "WeakEvidence") == ("False", "SelectsProtectedLabels")
    weak["spec"]["nodeSelector"]["matchLabels"] = {"topology.kubernetes.io/zone": "a"}
    assert condition(run(ZONE, World(zones=[weak])), "WeakEvidence") == ("True", "SelectsUnprotectedLabels")


def test_a_profile_tells_where_its_accelerator_is() -> None:
    assert status(run(PROFILE, World()))["devices"] == 16
    assert condition(run(PROFILE, World(nodes=[])), "Found") == ("False", "NoDevicesFound")


def test_a_profile_without_devices_is_no_event_until_devices_that_were_there_are_gone() -> None:
    """The chart installs dozens of profiles, of which a cluster has devices of a few."""
    absent = run(PROFILE, World(nodes=[]))
    assert condition(absent, "Found") == ("False", "NoDevicesFound")
    assert absent.events == ()
    world = World()
    world.with_status_of(run(PROFILE, world).effects)
    world.nodes = []
    (event,) = run(PROFILE, world).events
    assert isinstance(event, EmitEvent)
    assert (event.type, event.reason) == ("Normal", "NoDevicesFound")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (exemption(), ("True", "InForce")),
        (exemption(expiresAt="2020-01-01T00:00:00Z"), ("False", "Expired")),
        (exemption(policy="other"), ("False", "PolicyNotFound")),
        (exemption(expiresAt="soon"), ("False", "Invalid")),
        (exemption(controls=["USE-15", "MGD-08"]), ("False", "WithoutEffect")),
        (exemption(controls=["USE-99"]), ("False", "WithoutEffect")),
        (exemption(namespaces=["nowhere"]), ("False", "WithoutEffect")),
        (exemption(namespaces=["open"]), ("False", "WithoutEffect")),
    ],
)
def test_an_exemption_says_whether_it_is_in_force(raw: dict[str, Any], expected: tuple[str, str]) -> None:
    world = World(exemptions=[raw], namespaces=[namespace(), namespace("open", team="ml")])
    result = run(EXEMPTION, world)
    assert condition(result, "Active") == expected
    assert (result.requeue_after is not None) == (expected[0] == "True")


def test_an_exemption_of_which_a_part_has_no_effect_says_which() -> None:
    raw = exemption(controls=["SUP-01", "USE-15", "USE-99"], namespaces=["treasury", "nowhere"])
    (active,) = [c for c in status(run(EXEMPTION, World(exemptions=[raw])))["conditions"] if c["type"] == "Active"]
    assert (active["status"], active["reason"]) == ("True", "InForce")
    assert active["message"] == (
        "until 2030-01-01T00:00:00Z, of SUP-01 for treasury. Without effect: no namespace can be exempted from USE-15; "
        "USE-99 is no control; namespace nowhere doesn't exist"
    )


def test_a_namespace_that_doesnt_exist_is_reported_before_the_approval() -> None:
    world = World(exemptions=[exemption(approvals=[], namespaces=["tresury"])])
    result = run(EXEMPTION, world)
    assert condition(result, "Active") == ("False", "WithoutEffect")
    (event,) = [e for e in result.events if isinstance(e, EmitEvent) and "tresury" in e.message]
    assert (event.type, event.reason) == ("Warning", "WithoutEffect")
    world = World(exemptions=[exemption(approvals=[], namespaces=["treasury", "tresury"])])
    (active,) = [c for c in status(run(EXEMPTION, world))["conditions"] if c["type"] == "Active"]
    assert (active["reason"], active["message"]) == (
        "NotApproved",
        "waits for the approval of a user other than alice. Without effect: namespace tresury doesn't exist",
    )


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


@pytest.mark.parametrize("kind", sorted(BY_KIND.keys() - {KEY.kind}))
def test_an_object_that_is_gone_needs_nothing(kind: str) -> None:
    assert run(Ref(kind, "", "gone"), World()) == Result()


def test_a_node_is_labelled_and_then_left_alone() -> None:
    (effect,) = run(Ref("Node", "", "a1"), World()).effects
    assert isinstance(effect, PatchNode)
    labels: dict[str, Any] = {k: v for k, v in effect.labels.items() if v is not None}
    assert run(Ref("Node", "", "a1"), World(nodes=[ascend("a1", labels=labels)])) == Result()


def test_a_node_that_cant_be_read_keeps_its_labels() -> None:
    assert run(Ref("Node", "", "n"), World(nodes=[node("n", devices={"a/b": "1.5"})])) == Result()


def test_a_kind_that_nobody_reconciles_needs_nothing() -> None:
    assert run(Ref("Pod", "a", "b"), World()) == Result()


def stored(status: dict[str, Any]) -> Zone:
    """Return a zone with this status."""
    found = parse_declared("SovereignZone", {**zone(), "status": status})
    assert isinstance(found, Declared)
    return found


def write_one(
    before: dict[str, Any], holds: bool | None, text: str = "m", now: float = NOW, good: str = "True"
) -> list[Any]:
    change = status_change(
        ZONE, stored(before), [told("Certified", holds, "NodesCertified", text, good)], SovereignZoneStatus(), now
    )
    return [*change.status, *change.events]


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
        told(t, True, r, "m")
        for t, r in (("WeakEvidence", "SelectsUnprotectedLabels"), ("Certified", "NodesCertified"))
    ]
    (first,) = status_change(ZONE, stored({}), conditions, SovereignZoneStatus(), NOW).status
    turned = {**first.status, "conditions": first.status["conditions"][::-1]}
    assert status_change(ZONE, stored(turned), conditions, SovereignZoneStatus(), NOW + 60) == StatusChange()


def test_a_weakness_that_is_absent_is_good_news() -> None:
    assert [e.type for e in write_one({}, False, good="False") if isinstance(e, EmitEvent)] == ["Normal"]
    assert [e.type for e in write_one({}, True, good="False") if isinstance(e, EmitEvent)] == ["Warning"]


def test_what_nobody_knows_yet_is_no_news() -> None:
    assert [type(e) for e in write_one({}, None)] == [ApplyStatus]


@pytest.mark.parametrize("letter", ["a", "é", "界", "😀"])
def test_a_message_is_cut_at_the_bytes_that_an_event_may_have(letter: str) -> None:
    assert len(cut(letter * 1024).encode()) <= 1024
    assert cut(letter * 2000).endswith(letter + "...")
    assert cut(letter * 200) == letter * 200


def full() -> World:
    return World(
        exemptions=[exemption()],
        models=[model(status=PLACED), model("other", "lab", status=PLACED)],
        namespaces=[namespace(), namespace("lab")],
        pods=[pod("p", "a1", {"huawei.com/Ascend910": "1"}, model="deepseek")],
        children=[child("Deployment", "deepseek", "treasury", model="deepseek"), GONE_GUARD],
    )


OTHER = Ref("SovereignModel", "lab", "other")


PLACED = {"placement": {"zone": "cyberjaya-1", "accelerator": ASCEND, "nodes": ["a1"]}}
CHANGED = child("Deployment", "deepseek", "treasury", model="deepseek", metadata={"generation": 2})
GONE_GUARD = child("ValidatingAdmissionPolicy", "gone.pods.daulat.dev", policy="gone")


@pytest.mark.parametrize(
    ("kind", "raw", "gone", "keys"),
    [
        (
            "SovereignZone",
            zone(country="SG"),
            False,
            {"Node/a1", "Node/h1", str(ZONE), str(POLICY), str(MODEL), str(CAPACITY)},
        ),
        ("SovereignZone", zone(), True, {"Node/a1", "Node/h1", str(POLICY), str(MODEL), str(CAPACITY)}),
        (
            "AcceleratorProfile",
            OTHER_ASCEND,
            False,
            {"Node/a1", str(ZONE), str(PROFILE), str(POLICY), str(MODEL), str(OTHER)},
        ),
        (
            "SovereigntyPolicy",
            policy(zones={"countries": ["SG"]}),
            False,
            {"Node/a1", str(POLICY), str(MODEL), str(OTHER)},
        ),
        ("SovereigntyPolicy", policy("deleted"), True, {"SovereigntyPolicy/deleted", "Node/a1", str(MODEL)}),
        ("SovereigntyExemption", exemption(reason="another reason"), False, {str(EXEMPTION), str(POLICY), str(MODEL)}),
        (
            "Node",
            ascend("a1", site="moved"),
            False,
            {"Node/a1", str(ZONE), str(PROFILE), str(POLICY), str(MODEL), str(CAPACITY)},
        ),
        ("Node", ascend("a1", ready=False), False, {"Node/a1", str(MODEL), str(CAPACITY)}),
        ("Node", ascend("a1", count=4), False, {"Node/a1", str(ZONE), str(PROFILE), str(CAPACITY)}),
        ("Namespace", namespace(team="ml"), False, {str(POLICY), str(MODEL)}),
        ("SovereignModel", model(replicas=3), False, {str(MODEL), str(CAPACITY)}),
        ("Pod", pod("q", "a1", {"huawei.com/Ascend910": "1"}, model="deepseek"), False, {str(MODEL), str(CAPACITY)}),
        ("Pod", pod("q", "a1", {"huawei.com/Ascend910": "1"}), True, {str(CAPACITY)}),
        (
            "Deployment",
            CHANGED,
            False,
            {str(MODEL)},
        ),
        ("ValidatingAdmissionPolicy", GONE_GUARD, True, {"SovereigntyPolicy/gone"}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_change_wakes_all_that_read_it(kind: str, raw: Raw, gone: bool, keys: set[str]) -> None:
    assert keys <= {str(r) for r in full().woken(kind, raw, gone=gone)}


@pytest.mark.parametrize(
    "node",
    [
        ascend("a1", labels={"team": "ml"}),
        ascend("a1", labels={"node.kubernetes.io/instance-type": "big"}),
    ],
    ids=["label", "another label"],
)
def test_a_label_that_nobody_reads_wakes_the_node_alone(node: Raw) -> None:
    assert full().woken("Node", node) == [Ref("Node", "", "a1")]


def test_a_heartbeat_wakes_nothing() -> None:
    beat = ascend("a1")
    beat["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-11-29T00:00:00Z"
    assert full().woken("Node", beat) == []


def test_a_namespace_concerns_its_own_models_alone() -> None:
    assert OTHER not in full().woken("Namespace", namespace(team="ml"))


def test_a_full_pass_sweeps_after_policies_that_are_gone() -> None:
    assert {"SovereigntyPolicy/gone", str(POLICY), str(EXEMPTION), str(MODEL)} <= {
        str(r) for r in everything(full().snapshot())
    }


def test_devices_of_drivers_are_counted_for_their_profile_and_their_zone() -> None:
    offer = offered("n1", device("g0"), device("g1"), device("g2", "another product"))
    world = World(nodes=[node("n1")], slices=[offer])
    entry = {"profile": H20, "resource": "gpu.nvidia.com", "nodes": 1, "devices": 2}
    assert status(run(ZONE, world))["accelerators"] == [entry]
    found = status(run(Ref("AcceleratorProfile", "", H20), world))
    assert (found["nodes"], found["devices"]) == (1, 2)


def test_a_slice_concerns_its_node_gone_or_not() -> None:
    part = offered("n1", device("g0"), name="s")
    claims = model(accelerators=[choice(H20, 1, claims="DynamicResourceAllocation")])
    world = World(nodes=[node("n1"), node("n2")], models=[claims])
    for gone in (False, True):
        woken = world.woken("ResourceSlice", part, gone=gone)
        assert [r.name for r in woken if r.kind == "Node"] == ["n1"]
        assert {MODEL, CAPACITY} <= {*woken}


def test_a_claim_concerns_the_models_that_wait() -> None:
    assert World().woken("ResourceClaim", held("c", "n1", "g0")) == [CAPACITY]


@pytest.mark.parametrize("name", ["deepseek", "deepseek-0", "x-of-any-name"])
def test_what_was_made_for_a_model_concerns_it_when_it_is_gone(name: str) -> None:
    gone = child("StatefulSet", name, "treasury", model="deepseek")
    assert MODEL in full().woken("StatefulSet", gone, gone=True)
