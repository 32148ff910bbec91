"""Gauges of the facts: what they say, and that they stay bounded."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from daulat.api.reasons import ENFORCED
from daulat.facts.change import Change
from daulat.facts.store import Store
from daulat.kube.ref import Ref
from daulat.operator import factmetrics as module
from daulat.operator.enforcement import Enforcement
from daulat.operator.factmetrics import Facts
from tests.unit.world import SITE, World, exemption, model, pod, policy, zone

NOW = 1_800_000_000.0


def conditioned(raw: dict[str, Any], **conditions: str) -> dict[str, Any]:
    """Return an object whose status has conditions, each given as STATUS/REASON."""
    found = [
        {"type": t, "status": s, "reason": r, "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        for t, (s, r) in ((t, v.split("/")) for t, v in conditions.items())
    ]
    return {**raw, "status": {**raw.get("status", {}), "conditions": found, "observedGeneration": 1}}


def scraped(store: Store) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    registry = CollectorRegistry()
    registry.register(Facts(store, lambda: NOW))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def value(store: Store, name: str, /, **labels: str) -> float:
    return scraped(store)[name, tuple(sorted(labels.items()))]


def test_a_condition_is_one_series_with_its_present_status() -> None:
    store = World(policies=[conditioned(policy(), Enforced="False/CanaryAdmitted")]).store()
    labels = {"kind": "SovereigntyPolicy", "namespace": "", "name": "confidential", "type": "Enforced"}
    assert value(store, "daulat_condition", **labels, status="false") == 1
    assert ("daulat_condition", tuple(sorted({**labels, "status": "true"}.items()))) not in scraped(store)


def test_a_policy_that_refuses_or_governs_nothing_has_no_series_of_enforcement() -> None:
    expected = {"Unknown/CanaryFailed": 1, "False/NotEnforcing": 0, "Unknown/NoGovernedNamespace": 0}
    for enforced, count in expected.items():
        found = scraped(World(policies=[conditioned(policy(), Enforced=enforced)]).store())
        assert len([name for name, _ in found if name == "daulat_policy_enforced"]) == count, enforced


def test_free_devices_are_those_that_no_pod_holds() -> None:
    store = World(pods=[pod("p", on="a1", devices={"huawei.com/Ascend910": 3})]).store()
    labels = {"zone": "cyberjaya-1", "profile": "huawei-ascend-910b", "resource": "huawei.com/Ascend910"}
    assert value(store, "daulat_zone_devices", **labels) == 16
    assert value(store, "daulat_zone_free_devices", **labels) == 13
    assert value(store, "daulat_zone_nodes", zone="cyberjaya-1", country="MY") == 3


def test_models_are_counted_by_why_they_are_not_ready() -> None:
    models = [
        conditioned(model("a"), Ready="True/Ready"),
        conditioned(model("b"), Ready="False/NoEligibleNode"),
        model("c"),
    ]
    store = World(models=models).store()
    assert value(store, "daulat_models_not_ready", reason="NoEligibleNode") == 1
    assert value(store, "daulat_models_not_ready", reason="Unknown") == 1


def test_an_exemption_in_force_has_the_time_at_which_it_ends() -> None:
    ending = exemption(expiresAt="2027-01-15T08:00:00Z")
    labels = {"exemption": "e", "policy": "confidential"}
    store = World(exemptions=[conditioned(ending, Active="True/Approved")]).store()
    assert value(store, "daulat_exemption_expiry_timestamp_seconds", **labels) == 1_800_000_000
    store = World(exemptions=[conditioned(ending, Active="False/Expired")]).store()
    assert ("daulat_exemption_expiry_timestamp_seconds", tuple(sorted(labels.items()))) not in scraped(store)


def test_objects_that_are_not_well_are_shown_first_and_the_rest_is_counted(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "SHOWN", 2)
    models = [conditioned(model(f"m{n}"), Ready="True/Ready") for n in range(4)]
    models[3] = conditioned(model("m3"), Ready="False/NoEligibleNode")
    store = World(models=models).store()
    names = {dict(labels)["name"] for name, labels in scraped(store) if name == "daulat_condition"}
    assert names == {"m3", "m0"}
    assert value(store, "daulat_objects_without_condition_metrics", kind="SovereignModel") == 2


def test_an_object_that_is_gone_has_no_series() -> None:
    store = World(policies=[conditioned(policy(), Enforced="True/CanaryRefused")]).store()
    store.delete("SovereigntyPolicy", policy())
    assert not [name for name, labels in scraped(store) if dict(labels).get("policy") == "confidential"]


def test_names_that_are_hostile_stay_in_their_labels() -> None:
    hostile = zone('x\\"} 1', nodeSelector={"matchLabels": {SITE: "cyberjaya-1"}})
    store = World(zones=[hostile]).store()
    assert value(store, "daulat_zone_nodes", zone='x\\"} 1', country="MY") == 3


def test_enforcement_lasts_from_the_change_to_the_proof_of_that_generation() -> None:
    seen: list[float] = []
    enforcement = Enforcement(seen.append)
    ref = Ref("SovereigntyPolicy", "", "confidential")
    first = World(policies=[conditioned(policy(), Enforced="True/CanaryRefused")]).snapshot().policies["confidential"]
    assert first.status.is_true(ENFORCED)
    enforcement.decided("confidential", first.status, 1.0)
    assert seen == []
    enforcement.heard(Change(ref, None, first), 10.0)
    proved = first.status
    unproved = proved.model_copy(update={"observed_generation": 0})
    enforcement.decided("confidential", unproved, 11.0)
    enforcement.decided("confidential", proved, 12.5)
    enforcement.decided("confidential", proved, 99.0)
    assert seen == [2.5]
    enforcement.heard(Change(ref, first, None), 20.0)


def test_enforcement_of_what_a_standby_heard_isnt_measured_once_it_leads() -> None:
    seen: list[float] = []
    enforcement = Enforcement(seen.append)
    ref = Ref("SovereigntyPolicy", "", "confidential")
    proved = World(policies=[conditioned(policy(), Enforced="True/CanaryRefused")]).snapshot().policies["confidential"]
    enforcement.heard(Change(ref, None, proved), 10.0)
    enforcement.begin()
    enforcement.decided("confidential", proved.status, 7200.0)
    assert seen == []
