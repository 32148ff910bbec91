"""Where a fact is missing, nothing is taken from a model that runs, and nothing new is made."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.kube.ref import Ref
from daulat.reconcile.model.reconciler import reconcile_model
from daulat.reconcile.policy.reconciler import reconcile_policy
from daulat.reconcile.result import Result
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    Raw,
    World,
    ascend,
    child,
    choice,
    exemption,
    model,
    namespace,
    pod,
    policy,
    standing,
)

REF = Ref("SovereignModel", "treasury", "deepseek")
NOW = 1_800_000_000.0
PIN = {"daulat.node-restriction.kubernetes.io/confidential": "eligible"}
AT_ONCE = {"gracePeriod": "0s"}
ZONE = {"daulat.node-restriction.kubernetes.io/zone": "cyberjaya-1"}


def running(**spec: Any) -> World:
    """Return a world with a model that runs on an Ascend node."""
    one = pod("deepseek-1", "a1", {ASCEND_RESOURCE: "4"}, model="deepseek", pins=PIN)
    return World(
        nodes=[ascend("a1", labels={**PIN, **ZONE}), ascend("a2", labels={**PIN, **ZONE})],
        models=[model(status=standing(ASCEND, ASCEND_RESOURCE, "a1"), **spec)],
        pods=[one],
        children=[child("Deployment", "deepseek", "treasury", model="deepseek")],
    )


def run(world: World) -> Result:
    return reconcile_model(REF, world.snapshot(), NOW)


def condition(result: Result, type_: str) -> tuple[str, str, str]:
    (written,) = result.status
    found = next(c for c in written.status["conditions"] if c["type"] == type_)
    return found["status"], found["reason"], found["message"]


def untouched(world: World) -> tuple[str, str, str]:
    """Check that nothing is taken away or made, and that the model keeps its place; return what Placed says."""
    result = run(world)
    assert (result.apply, result.evict, result.sweep) == ((), (), ())
    (written,) = result.status
    assert written.status["placement"] == world.models[0]["status"]["placement"]
    return condition(result, "Placed")


def test_a_model_whose_profile_is_gone_goes_on() -> None:
    world = running()
    world.profiles = [p for p in world.profiles if p["metadata"]["name"] != ASCEND]
    assert untouched(world)[:2] == ("Unknown", "Undecided")


def test_a_model_whose_profile_cant_be_read_goes_on() -> None:
    world = running()
    world.profiles = [p for p in world.profiles if p["metadata"]["name"] != ASCEND]
    world.profiles.append({"metadata": {"name": ASCEND, "uid": "u"}, "spec": {"fieldOfLater": True}})
    status, reason, message = untouched(world)
    assert (status, reason) == ("Unknown", "Undecided")
    assert "can't be read" in message


def test_a_model_goes_on_where_its_policy_has_selectors_and_its_profile_cant_be_read() -> None:
    world = running()
    world.policies = [policy(accelerators={"profiles": None, "vendors": ["Huawei", "NVIDIA"]}, drift=AT_ONCE)]
    world.profiles = [p for p in world.profiles if p["metadata"]["name"] != ASCEND]
    world.profiles.append({"metadata": {"name": ASCEND, "uid": "u"}, "spec": {"fieldOfLater": True}})
    result = run(world)
    assert (result.apply, result.evict, result.sweep) == ((), (), ())
    status, reason, message = condition(result, "PolicyCompliant")
    assert (status, reason) == ("Unknown", "Undecided")
    assert message.startswith(f"AcceleratorProfile {ASCEND} can't be read")
    world.policies[0]["spec"]["models"] = {"licenses": ["Apache-2.0"]}
    assert [e.ref.kind for e in run(world).evict] == ["Deployment"], "what is decided against it stays so"


def test_a_model_goes_on_where_its_policy_has_selectors_and_its_profile_is_gone() -> None:
    world = running()
    world.policies = [policy(accelerators={"profiles": None, "vendors": ["Huawei", "NVIDIA"]}, drift=AT_ONCE)]
    ref = Ref("SovereigntyPolicy", "", "confidential")
    world.with_status_of(reconcile_policy(ref, world.snapshot(), NOW).effects)
    world.profiles = [p for p in world.profiles if p["metadata"]["name"] != ASCEND]
    for _ in range(2):
        result = run(world)
        assert (result.apply, result.evict, result.sweep) == ((), (), ())
        assert condition(result, "PolicyCompliant")[:2] == ("Unknown", "Undecided")
        world.with_status_of(reconcile_policy(ref, world.snapshot(), NOW).effects)
    world.policies[0]["spec"]["accelerators"]["vendors"] = ["NVIDIA"]
    assert [e.ref.kind for e in run(world).evict] == ["Deployment"], "a change of the selectors decides it"


def test_a_model_whose_zone_is_gone_goes_on() -> None:
    world = running()
    world.zones = []
    assert "doesn't exist any more" in untouched(world)[2]


def test_a_model_whose_zone_cant_be_read_goes_on() -> None:
    world = running()
    world.zones[0]["spec"]["country"] = "Malaysia"
    assert "zone cyberjaya-1 can't be read" in untouched(world)[2]


def test_a_model_whose_policy_is_gone_goes_on() -> None:
    world = running()
    world.policies = []
    result = run(world)
    assert (result.apply, result.evict, result.sweep) == ((), (), ())
    assert condition(result, "PolicyCompliant")[:2] == ("False", "NotGoverned")


def test_a_model_whose_exemption_cant_be_read_goes_on() -> None:
    world = running()
    world.policies = [policy(models={"licenses": ["Apache-2.0"]}, drift=AT_ONCE)]
    assert [e.ref.kind for e in run(world).evict] == ["Deployment"], "without an exemption it is stopped"
    broken = exemption(controls=["SUP-04"])
    broken["spec"]["fieldOfLater"] = True
    world.exemptions = [broken]
    result = run(world)
    assert (result.apply, result.evict, result.sweep) == ((), (), ())
    assert condition(result, "PolicyCompliant")[:2] == ("Unknown", "PolicyUnreadable")


def test_a_model_is_moved_where_that_is_decided() -> None:
    world = running()
    world.policies = [policy(accelerators={"profiles": ["nvidia-h20"]}, drift=AT_ONCE)]
    assert [e.ref.kind for e in run(world).evict] == ["Deployment"]


CLAIMS = [choice(ASCEND, 4, claims="DynamicResourceAllocation")]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("ResourceSlice", {"accelerators": CLAIMS}),
        ("ResourceClaim", {"accelerators": CLAIMS}),
        ("LeaderWorkerSet", {"accelerators": [choice(ASCEND, 8, nodes=2)]}),
        ("ScaledObject", {"autoscaling": {"minReplicas": 1, "maxReplicas": 2, "metric": "Waiting", "target": 4}}),
        ("HTTPRoute", {"exposure": {"gateway": "internal"}}),
    ],
)
def test_a_model_that_needs_a_kind_which_couldnt_be_listed_yet_is_left_as_it_is(kind: str, spec: Raw) -> None:
    world = running(**spec)
    world.unlisted = (kind,)
    assert kind in untouched(world)[2]


def test_a_new_model_isnt_made_before_what_it_needs_is_listed() -> None:
    world = World(models=[model(exposure={"gateway": "internal"})], unlisted=("HTTPRoute",))
    assert run(world).apply == ()
    world.unlisted = ("LeaderWorkerSet",)
    assert run(world).apply != ()


def test_a_model_whose_namespace_isnt_selected_any_more_is_stopped() -> None:
    world = running()
    world.models[0]["status"]["placement"]["policies"] = [{"name": "confidential", "generation": 1}]
    world.namespaces, world.policies = [namespace(other="1")], [policy(drift=AT_ONCE)]
    assert [e.ref.kind for e in run(world).evict] == ["Deployment"]
    world.policies = []
    assert run(world).evict == ()
