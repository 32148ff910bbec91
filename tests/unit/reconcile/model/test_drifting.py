"""A model that policies don't accept any more goes on until its grace period is over, or for good where they only report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daulat.api.names import eligible_label
from daulat.catalog import accelerators
from daulat.facts.charge import Charge
from daulat.kube.ref import Ref
from daulat.reconcile.model.capacity import KEY, reconcile_capacity
from daulat.reconcile.policy.reconciler import reconcile_policy
from daulat.reconcile.result import Delete, Result
from tests.requests import merge
from tests.unit.world import (
    ASCEND,
    ASCEND_RESOURCE,
    H20,
    Raw,
    World,
    ascend,
    choice,
    exemption,
    model,
    namespace,
    pod,
    policy,
    zone,
)

from .deployed import (
    NOW,
    OTHER_IMAGE,
    REF,
    Cluster,
    applied,
    at,
    condition,
    every_applied,
    rolling,
    run,
    settled,
    status,
)

PIN = eligible_label("confidential")
POLICY = Ref("SovereigntyPolicy", "", "confidential")
LATER = 365 * 86_400.0


def serving(drift: Raw | None = None, replicas: int = 2, **spec: Any) -> Cluster:
    """Return a model that serves on one node, as a pass has left it, and all that it may use."""
    cluster = Cluster([ascend("a1")], count=4, replicas=replicas)
    cluster.world.policies = [policy(drift=drift or {}, **spec)]
    cluster.take(run(cluster.world))
    pods = [cluster.pod(f"p{n}", "a1") for n in range(replicas)]
    for raw in pods:
        raw["spec"]["nodeSelector"] = {PIN: "eligible"}
        raw["metadata"]["uid"] = f"uid-{raw['metadata']['name']}"
    cluster.pods(*pods, updated=replicas, ready=replicas)
    cluster.take(run(cluster.world))
    assert condition(run_again(cluster), "Ready")["status"] == "True"
    return cluster


def run_again(cluster: Cluster, now: float = NOW) -> Result:
    """Return a pass whose status is always written."""
    kept = cluster.world.models[0]["status"]
    cluster.world.models[0]["status"] = {k: v for k, v in kept.items() if k != "url"}
    result = run(cluster.world, now)
    cluster.world.models[0]["status"] = kept
    return result


def deleted(result: Result) -> list[str]:
    return [str(e.ref) for e in result.effects if isinstance(e, Delete)]


def changed(cluster: Cluster, **spec: Any) -> None:
    cluster.world.policies[0]["spec"] = merge(cluster.world.policies[0]["spec"], spec)


def zones_overlap(cluster: Cluster) -> None:
    site = {"matchLabels": {"daulat.node-restriction.kubernetes.io/site": "cyberjaya-1"}}
    cluster.world.zones.append(zone("overlap", nodeSelector=site))


def node_relabelled(cluster: Cluster) -> None:
    cluster.world.nodes = [ascend("a1", site="elsewhere")]


def zone_edited(cluster: Cluster) -> None:
    cluster.world.zones = [zone(country="SG")]


def policy_of_another_country(cluster: Cluster) -> None:
    changed(cluster, zones={"countries": ["SG"]})


def vendor_withdrawn(cluster: Cluster) -> None:
    changed(cluster, accelerators={"profiles": ["nvidia-h20"]})


def source_withdrawn(cluster: Cluster) -> None:
    changed(cluster, models={"sources": ["oci://elsewhere.example.my/"]})


def license_withdrawn(cluster: Cluster) -> None:
    changed(cluster, models={"licenses": ["Apache-2.0"]})


def registry_withdrawn(cluster: Cluster) -> None:
    changed(cluster, images={"registries": ["elsewhere.example.my/"]})


def engine_withdrawn(cluster: Cluster) -> None:
    (own,) = [p for p in cluster.world.profiles if p["metadata"]["name"] == ASCEND]
    others = [e for e in own["spec"]["engines"] if e["name"] != "vllm"]
    cluster.world.profiles = [
        {**p, "spec": {**p["spec"], "engines": others}} if p is own else p for p in cluster.world.profiles
    ]


def namespace_unlabelled(cluster: Cluster) -> None:
    cluster.world.namespaces = [namespace(other="1")]


def second_policy(cluster: Cluster) -> None:
    own = cluster.world.policies[0]["spec"]
    cluster.world.policies.append(policy("two", models={"licenses": ["Apache-2.0"]}, drift=own.get("drift") or {}))


CHANGES = [
    zones_overlap,
    node_relabelled,
    zone_edited,
    policy_of_another_country,
    vendor_withdrawn,
    source_withdrawn,
    license_withdrawn,
    registry_withdrawn,
    engine_withdrawn,
    namespace_unlabelled,
    second_policy,
]
ON_NODES = (zones_overlap, node_relabelled, zone_edited, policy_of_another_country)
"""Changes by which the pods' node isn't eligible any more: the policy evicts them one by one."""
EVERY = pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)


@EVERY
def test_a_model_that_drifts_goes_on_until_its_grace_period_is_over(change: Callable[[Cluster], None]) -> None:
    cluster = serving()
    where = cluster.world.models[0]["status"]["placement"]
    change(cluster)
    first = run(cluster.world)
    assert deleted(first) == []
    told = status(first)
    assert (told["phase"], told["placement"], told["readyReplicas"]) == ("Drifting", where, 2)
    assert told["drift"] == {"since": at(NOW), "until": at(NOW + 60)}
    assert condition(first, "PolicyCompliant")["status"] == "False"
    assert first.requeue_after is not None
    assert first.requeue_after <= 61
    cluster.world.with_status_of(first.effects)
    assert deleted(run(cluster.world, NOW + 59)) == []
    assert reconcile_capacity(KEY, cluster.world.snapshot(), NOW).enqueue == (REF,), "another place may come free"
    over = run(cluster.world, NOW + 60)
    if change in ON_NODES:
        assert deleted(over) == [], "the policy evicts the pods"
        cluster.world.pods = []
        over = run(cluster.world, NOW + 61)
    assert deleted(over) == ["Deployment/treasury/deepseek"]
    if change not in ON_NODES:
        (event,) = [e.event for e in over.evict if e.event is not None]
        assert event.ref == REF
        assert f"deleted after its grace period, which began at {at(NOW)}: " in event.message


REPORTED = [
    *(({"drift": {"action": "Report"}}, change) for change in CHANGES),
    # A policy that refuses nothing has no violations, but it has nodes.
    *(({"action": "Audit"}, change) for change in (*ON_NODES, engine_withdrawn, namespace_unlabelled)),
]


@pytest.mark.parametrize(("quiet", "change"), REPORTED)
def test_a_model_that_drifts_under_a_policy_that_only_reports_stays(
    quiet: Raw, change: Callable[[Cluster], None]
) -> None:
    cluster = serving(**quiet)
    change(cluster)
    first = run(cluster.world)
    assert status(first)["drift"] == {"since": at(NOW)}
    cluster.world.with_status_of(first.effects)
    late = run(cluster.world, NOW + LATER)
    assert deleted(first) + deleted(late) == []
    told = condition(first, "PolicyCompliant")
    assert told["status"] == "False"
    assert "only report" in told["message"]


@pytest.mark.parametrize("change", [c for c in CHANGES if c is not engine_withdrawn], ids=lambda c: c.__name__)
def test_the_workload_of_a_model_that_drifts_is_still_kept_as_it_is(change: Callable[[Cluster], None]) -> None:
    cluster = serving({"action": "Report"})
    before = applied(run(cluster.world), "Deployment")
    change(cluster)
    cluster.world.with_status_of(run(cluster.world).effects)
    result = run(cluster.world)
    assert applied(result, "Deployment") == before
    for kind in ("NetworkPolicy", "Service", "ServiceAccount", "PodDisruptionBudget"):
        assert every_applied(result, kind)
    cluster.world.models[0]["spec"]["replicas"] = 1
    cluster.world.models[0]["metadata"]["generation"] = 2
    scaled = applied(run(cluster.world), "Deployment")
    assert scaled == {**before, "spec": {**before["spec"], "replicas": 1}}


def test_what_the_network_allows_is_tightened_at_once() -> None:
    cluster = serving({"action": "Report"}, egress={"allow": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})
    source_withdrawn(cluster)
    changed(cluster, egress={"allow": []})
    (own,) = [m for m in every_applied(run(cluster.world), "NetworkPolicy") if m["metadata"]["name"] == "deepseek"]
    assert "10.0.0.0/8" not in str(own)


def test_the_conditions_of_a_model_that_drifts_say_until_when() -> None:
    cluster = serving()
    license_withdrawn(cluster)
    result = run(cluster.world)
    told = condition(result, "PolicyCompliant")
    assert told["reason"] == "PolicyViolation"
    ends = f"Its 2 pods go on until {at(NOW + 60)}, for the 60 s of drift.gracePeriod of policy confidential."
    assert told["message"].endswith(ends)
    assert any(e.message.endswith(ends) for e in result.events)
    assert condition(result, "WorkloadReady")["status"] == "True"
    assert condition(result, "Ready")["status"] == "False"


def test_a_model_whose_nodes_drift_says_what_becomes_of_its_pods() -> None:
    cluster = serving()
    zones_overlap(cluster)
    told = condition(run(cluster.world), "PolicyCompliant")
    assert told["reason"] == "NodeNotEligible"
    assert told["message"].endswith("deleted as soon as another one serves elsewhere, and after 60 s in any case")


def test_a_model_without_a_place_on_eligible_nodes_is_drifted() -> None:
    cluster = serving()
    engine_withdrawn(cluster)
    told = condition(run(cluster.world), "PolicyCompliant")
    assert told["reason"] == "Drifted"
    assert "doesn't run vllm" in told["message"]


def test_a_model_that_is_accepted_again_is_as_it_was() -> None:
    cluster = serving()
    zones_overlap(cluster)
    cluster.world.with_status_of(run(cluster.world).effects)
    cluster.world.zones.pop()
    result = run(cluster.world, NOW + 30)
    assert "drift" not in status(result)
    assert condition(result, "Ready")["status"] == "True"
    # The next time it drifts it has all of its grace period again.
    cluster.world.with_status_of(result.effects)
    zones_overlap(cluster)
    assert status(run(cluster.world, NOW + 100))["drift"]["until"] == at(NOW + 160)


def test_a_model_moves_where_it_has_another_place_but_not_where_that_is_only_reported() -> None:
    for drift, moves in (({}, True), ({"action": "Report"}, False)):
        cluster = serving(drift)
        cluster.world.zones.append(zone("cyberjaya-2"))
        cluster.world.nodes = [ascend("a1", site="elsewhere"), ascend("b1", site="cyberjaya-2")]
        result = run(cluster.world)
        assert deleted(result) == []
        assert (status(result)["placement"]["zone"] == "cyberjaya-2") is moves
        assert ("cyberjaya-2" in str(applied(result, "Deployment"))) is moves


def test_of_several_policies_those_count_that_dont_accept_the_model() -> None:
    strict = policy("two", models={"licenses": ["Apache-2.0"]}, drift={"action": "Report"})
    cluster = serving({"gracePeriod": "5s"})
    cluster.world.policies.append(strict)
    first = run(cluster.world)
    assert status(first)["drift"] == {"since": at(NOW)}
    assert "policy two only reports drift" in condition(first, "PolicyCompliant")["message"]
    strict["spec"]["drift"] = {"gracePeriod": "10m"}
    assert status(run(cluster.world))["drift"]["until"] == at(NOW + 600)
    license_withdrawn(cluster)
    assert status(run(cluster.world))["drift"]["until"] == at(NOW + 5)


def test_what_the_user_changes_has_no_grace_period() -> None:
    cluster = serving({"action": "Report"})
    before = cluster.world.models[0]["status"]
    cluster.world.models = [model(accelerators=[choice(H20, 2)], replicas=2, status=before)]
    cluster.world.models[0]["metadata"]["generation"] = 2
    assert deleted(run(cluster.world)) == ["Deployment/treasury/deepseek"]


def test_a_new_image_while_a_model_drifts_ends_nothing_sooner() -> None:
    cluster = serving()
    license_withdrawn(cluster)
    cluster.world.with_status_of(run(cluster.world).effects)
    cluster.world.models[0]["spec"]["accelerators"][0]["image"] = OTHER_IMAGE
    cluster.world.models[0]["metadata"]["generation"] = 2
    result = run(cluster.world, NOW + 30)
    assert deleted(result) == []
    assert every_applied(result, "Deployment") == []
    assert deleted(run(cluster.world, NOW + 60)) == ["Deployment/treasury/deepseek"]


@pytest.mark.parametrize("drift", [{}, {"action": "Report"}], ids=["Evict", "Report"])
@pytest.mark.parametrize("change", ON_NODES, ids=lambda c: c.__name__)
def test_a_new_image_in_the_pass_that_finds_the_drift_ends_nothing_sooner(
    change: Callable[[Cluster], None], drift: Raw
) -> None:
    """As after a time without an operator, in which both came."""
    cluster = serving(drift)
    change(cluster)
    cluster.change()
    result = run(cluster.world)
    assert deleted(result) == []
    assert every_applied(result, "Deployment") == []
    assert status(result)["drift"]["since"] == at(NOW)


@pytest.mark.parametrize("drift", [{}, {"action": "Report"}], ids=["Evict", "Report"])
def test_a_rollout_takes_no_pod_on_a_drifted_node_before_its_replacement_serves(drift: Raw) -> None:
    cluster = settled(nodes=2, replicas=2)
    for raw in cluster.world.pods:
        raw["spec"]["nodeSelector"] = {PIN: "eligible"}
    cluster.world.policies = [policy(drift=drift)]
    cluster.change()
    # Both nodes are full. Where they are eligible, a pod goes first, and its devices are the new one's.
    assert rolling(run(cluster.world)) == (0, 1)
    cluster.world.nodes[1] = ascend("a2", site="elsewhere")
    first = run(cluster.world)
    assert (deleted(first), rolling(first)) == ([], (1, 0))
    # Also when the rollout is under way already.
    cluster.take(first)
    new = cluster.pod("new", ready=False)
    old = cluster.world.pods
    cluster.pods(*old, new, updated=1, ready=2)
    later = run(cluster.world, NOW + 1)
    assert (deleted(later), rolling(later)) == ([], (1, 0))


def test_a_model_that_drifts_scales_to_zero_and_back() -> None:
    cluster = serving({"action": "Report"})
    license_withdrawn(cluster)
    for replicas in (0, 1):
        cluster.world.models[0]["spec"]["replicas"] = replicas
        result = run(cluster.world)
        assert deleted(result) == []
        assert applied(result, "Deployment")["spec"]["replicas"] == replicas
        cluster.world.with_status_of(result.effects)
        cluster.world.pods = []


@EVERY
def test_a_model_whose_pods_are_away_for_a_while_is_no_less_tolerated(change: Callable[[Cluster], None]) -> None:
    """Whatever takes pods away, or scales the Deployment: it is made so again."""
    cluster = serving({"action": "Report"})
    change(cluster)
    cluster.world.pods = []
    assert deleted(run(cluster.world)) == []


def test_a_model_that_was_never_placed_isnt_placed() -> None:
    fresh = run(World(policies=[policy(models={"licenses": ["Apache-2.0"]}, drift={"action": "Report"})]))
    assert fresh.apply == ()
    assert status(fresh)["phase"] == "Refused"


def test_a_model_whose_devices_others_took_before_its_first_pod_came_has_not_drifted() -> None:
    cluster = serving({"action": "Report"})
    cluster.world.pods = [pod("others", "a1", {ASCEND_RESOURCE: 8}, "", "elsewhere")]
    result = run(cluster.world)
    assert condition(result, "Placed")["reason"] == "InsufficientDevices"
    assert "drift" not in status(result)


def test_an_exemption_that_expires_leaves_the_model_its_grace_period() -> None:
    strict = {"models": {"licenses": ["Apache-2.0"]}}
    cluster = serving()
    changed(cluster, **strict)
    cluster.world.exemptions = [exemption(controls=["SUP-04"], expiresAt=at(NOW + 10))]
    cluster.world.with_status_of(run(cluster.world).effects)
    expired = run(cluster.world, NOW + 11)
    assert status(expired)["drift"]["until"] == at(NOW + 71)
    assert deleted(expired) == []


def test_the_brake_holds_the_model_after_its_grace_period() -> None:
    cluster = serving({"gracePeriod": "0s", "limit": "10%"})
    license_withdrawn(cluster)
    cluster.world.charges = {"confidential": [Charge("another", 1, NOW)]}
    held = run(cluster.world)
    assert deleted(held) == []
    assert condition(held, "PolicyCompliant")["reason"] == "BrakeHeld"
    assert every_applied(held, "Deployment"), "it is kept as it is meanwhile"
    assert status(held)["drift"]["since"] == at(NOW)


def test_pods_on_nodes_that_drift_go_by_the_pods_rule_with_its_brake() -> None:
    cluster = serving({"gracePeriod": "0s", "limit": "50%"})
    zones_overlap(cluster)
    assert deleted(run(cluster.world)) == []
    evicted = reconcile_policy(POLICY, cluster.world.snapshot(), NOW)
    assert [e.ref.name for e in evicted.evict] == ["p0"], "half of what runs"


def test_deleting_every_policy_ends_nothing() -> None:
    cluster = serving()
    license_withdrawn(cluster)
    cluster.world.with_status_of(run(cluster.world).effects)
    cluster.world.policies = []
    gone = run(cluster.world, NOW + 1)
    assert condition(gone, "PolicyCompliant")["reason"] == "NotGoverned"
    cluster.world.with_status_of(gone.effects)
    assert deleted(gone) + deleted(run(cluster.world, NOW + LATER)) == []


def test_a_policy_that_comes_back_finds_the_model_where_it_was() -> None:
    cluster = serving()
    (own,) = cluster.world.policies
    before, cluster.world.policies = applied(run(cluster.world), "Deployment"), []
    cluster.world.with_status_of(run(cluster.world).effects)
    cluster.world.policies = [own]
    result = run(cluster.world)
    assert deleted(result) == []
    assert applied(result, "Deployment") == before
    assert condition(result, "Ready")["status"] == "True"


def under_two() -> Cluster:
    """Return a model that serves under two policies."""
    cluster = serving()
    cluster.world.policies.append(policy("two"))
    cluster.take(run(cluster.world))
    pods = [cluster.pod(f"p{n}", "a1") for n in range(2)]
    for raw in pods:
        raw["spec"]["nodeSelector"] = {PIN: "eligible", eligible_label("two"): "eligible"}
    cluster.pods(*pods, updated=2, ready=2)
    cluster.take(run(cluster.world))
    return cluster


def test_where_one_of_two_policies_is_deleted_no_pod_is_replaced() -> None:
    cluster = under_two()
    before = applied(run(cluster.world), "Deployment")
    cluster.world.policies.pop()
    result = run(cluster.world)
    assert condition(result, "PolicyCompliant")["message"] == "the model and its pods comply with policy confidential"
    cluster.world.with_status_of(result.effects)
    assert [applied(r, "Deployment") for r in (result, run(cluster.world))] == [before] * 2
    # It drifts under the other one with the pin that it has.
    changed(cluster, drift={"action": "Report"})
    license_withdrawn(cluster)
    assert applied(run(cluster.world), "Deployment") == before


def test_the_next_change_of_a_model_leaves_the_pin_to_a_deleted_policy_out() -> None:
    cluster = under_two()
    cluster.world.policies.pop()
    cluster.take(run(cluster.world))
    cluster.change()
    selector = applied(run(cluster.world), "Deployment")["spec"]["template"]["spec"]["nodeSelector"]
    assert PIN in selector
    assert eligible_label("two") not in selector


def test_pods_arent_pinned_any_more_by_a_policy_that_governs_other_namespaces_now() -> None:
    cluster = under_two()
    cluster.world.policies[1]["spec"]["namespaceSelector"] = {"matchLabels": {"daulat.dev/scope": "elsewhere"}}
    assert eligible_label("two") not in str(applied(run(cluster.world), "Deployment"))


def test_a_zone_that_claims_a_models_nodes_wakes_it_with_both_zones() -> None:
    """Its own zone doesn't change, and with drift Report none of its pods does."""
    site = {"matchLabels": {"daulat.node-restriction.kubernetes.io/site": "cyberjaya-1"}}
    cluster = serving({"action": "Report"})
    assert REF in cluster.world.woken("SovereignZone", zone("overlap", nodeSelector=site))
    assert REF in cluster.world.woken("SovereignZone", zone("overlap", nodeSelector=site), gone=True)
    elsewhere = {"matchLabels": {"daulat.node-restriction.kubernetes.io/site": "elsewhere"}}
    assert REF not in cluster.world.woken("SovereignZone", zone("elsewhere", nodeSelector=elsewhere))


def test_a_profile_of_another_accelerator_on_its_node_wakes_a_model_that_doesnt_list_it() -> None:
    cluster = serving({"action": "Report"})
    for node in cluster.world.nodes:
        node["status"]["allocatable"]["nvidia.com/gpu"] = "1"
    cluster.world.models[0]["spec"]["accelerators"] = cluster.world.models[0]["spec"]["accelerators"][:1]
    (h20,) = (m for m in accelerators.manifests() if m["metadata"]["name"] == H20)
    assert REF in cluster.world.woken("AcceleratorProfile", {**h20, "spec": {**h20["spec"], "family": "Other"}})
