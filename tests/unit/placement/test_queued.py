"""A workload with quota starts only where its policies have a place for it; without a fact it isn't admitted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.api.timestamps import stamp
from daulat.kube.ref import Ref
from daulat.placement.queued import Judgement, Verdict, judge
from tests.unit.world import (
    ASCEND_RESOURCE,
    SITE,
    Raw,
    World,
    admission_check,
    ascend,
    flavor,
    model,
    namespace,
    pod,
    policy,
    standing,
    workload,
    zone,
)

NOW = 1_800_000_000.0
RESERVED = {"type": "QuotaReserved", "status": "True"}
AMD = "amd.com/gpu"


def verdict(wanted: Raw, **world: Any) -> Judgement:
    """Return the verdict on one workload in a world without models."""
    others = world.pop("workloads", [])
    snapshot = World(**{"models": [], "workloads": [*others, wanted], **world}).snapshot()
    meta = wanted["metadata"]
    return judge(snapshot.workloads[Ref("Workload", meta["namespace"], meta["name"])], snapshot, NOW)


def asking(count: int = 8, pods: int = 1, name: str = "job", **more: Any) -> Raw:
    return workload(name, pods, {ASCEND_RESOURCE: str(count)}, **more)


def ready(name: str, pods: int, count: int = 8, **more: Any) -> Raw:
    """Return a workload that was admitted."""
    state = {"name": "sovereignty", "state": "Ready", "message": ""}
    return asking(count, pods, name, status={"conditions": [RESERVED], "admissionChecks": [state]}, **more)


def from_queue(name: str, on: str, count: int = 8, **meta: Any) -> Raw:
    """Return a pod that came through the queue."""
    found = pod(name, on, {ASCEND_RESOURCE: str(count)})
    found["metadata"] |= {"labels": {"kueue.x-k8s.io/local-queue-name": "team"}, **meta}
    return found


def test_a_workload_with_room_on_eligible_nodes_is_ready_and_the_message_says_where() -> None:
    assert verdict(asking(pods=2)) == Judgement(
        Verdict.READY, "2 eligible nodes in zone cyberjaya-1 under policy confidential"
    )


def test_a_workload_without_devices_needs_an_eligible_node() -> None:
    assert verdict(workload()).verdict is Verdict.READY
    assert verdict(workload(), nodes=[ascend("a1", "")]).verdict is Verdict.RETRY


def test_a_namespace_that_no_policy_governs_is_ready_wherever_it_runs() -> None:
    found = verdict(asking(99, namespace="free"), namespaces=[namespace("free", team="a")])
    assert found == Judgement(Verdict.READY, "namespace free is not governed by a policy")


def test_where_too_few_devices_are_free_it_comes_again_and_the_message_has_the_numbers() -> None:
    found = verdict(asking(4, pods=5))
    assert found == Judgement(
        Verdict.RETRY,
        f"podSet main: 5 pods with 4 {ASCEND_RESOURCE} each; 3 eligible nodes in zone cyberjaya-1 have room for 4 "
        "(policy confidential)",
    )


def test_devices_that_pods_hold_are_not_free() -> None:
    assert verdict(asking(), pods=[pod("p", "a1", {ASCEND_RESOURCE: "1"})]).verdict is Verdict.READY
    holders = [pod(f"p-{n}", n, {ASCEND_RESOURCE: "1"}) for n in ("a1", "a2")]
    assert verdict(asking(), pods=holders).verdict is Verdict.RETRY


def test_where_no_node_is_eligible_the_nodes_are_counted_by_what_is_wrong_with_them() -> None:
    found = verdict(asking(), nodes=[ascend("a1", ""), ascend("a2", "")])
    assert found == Judgement(
        Verdict.RETRY, "no node is eligible under policy confidential: 2 nodes: stands in no zone of record"
    )


def test_an_accelerator_that_no_policy_approves_is_rejected_in_the_words_of_admission() -> None:
    assert verdict(workload(devices={AMD: "1"})) == Judgement(
        Verdict.REJECTED,
        f'SUP-08 podSet main: "{AMD}" was requested; policy confidential approves huawei.com/Ascend910, nvidia.com/gpu. '
        "Request an approved accelerator.",
    )


def test_an_accelerator_among_the_policys_other_resources_is_not_rejected() -> None:
    allowed = policy(accelerators={"otherResources": [AMD]})
    assert verdict(workload(devices={AMD: "1"}), policies=[allowed]).verdict is Verdict.RETRY


def test_a_policy_whose_profile_can_not_be_read_rejects_no_accelerator() -> None:
    assert verdict(workload(devices={AMD: "1"}), profiles=[]).verdict is Verdict.RETRY


def test_where_a_policy_accepts_no_zone_at_all_it_is_rejected() -> None:
    found = verdict(asking(), zones=[zone("sg", country="SG")])
    assert found == Judgement(Verdict.REJECTED, "policy confidential accepts no zone: zone sg is in SG, outside MY")
    assert verdict(asking(), zones=[]).message == "policy confidential accepts no zone: there is no SovereignZone"


def test_a_zone_that_can_not_be_read_may_be_accepted() -> None:
    assert verdict(asking(), zones=[zone("sg", country=7)]).verdict is Verdict.RETRY


def test_what_another_cluster_runs_is_rejected_since_its_nodes_are_not_known_here() -> None:
    dispatched = admission_check("elsewhere", "kueue.x-k8s.io/multikueue")
    both = [{"name": name, "state": "Pending", "message": ""} for name in ("sovereignty", "elsewhere")]
    wanted = asking(status={"admissionChecks": both})
    found = verdict(wanted, checks=[admission_check(), dispatched])
    assert found.verdict is Verdict.REJECTED
    assert found.message.endswith(
        "Put the AdmissionCheck into the ClusterQueues of the worker clusters, and not into this one."
    )


@pytest.mark.parametrize(
    ("world", "message"),
    [
        ({"namespaces": []}, "namespace treasury isn't known yet"),
        (
            {"policies": [policy(), policy("broken", zones=7)]},
            "policy broken can't be read, and may govern namespace treasury",
        ),
        ({"unlisted": ("ResourceFlavor",)}, "ResourceFlavor couldn't be listed yet"),
    ],
    ids=["namespace", "policy", "unlisted"],
)
def test_without_a_fact_it_comes_again_with_the_reason(world: dict[str, Any], message: str) -> None:
    assert verdict(asking(), **world) == Judgement(Verdict.RETRY, message)


def test_the_chosen_flavor_binds_it_to_nodes() -> None:
    assignment = {"podSetAssignments": [{"name": "main", "flavors": {ASCEND_RESOURCE: "second"}}]}
    wanted = asking(status={"admission": assignment})
    assert verdict(wanted).message == "ResourceFlavor second isn't known"
    here = flavor("second", nodeLabels={"rack": "2"})
    assert verdict(wanted, flavors=[here]).message == (
        "podSet main: no eligible node takes its pods (policy confidential): 3 nodes: lacks the labels rack=2"
    )
    nodes = [ascend("a1"), ascend("a2", labels={"rack": "2"})]
    assert verdict(wanted, flavors=[here], nodes=nodes).verdict is Verdict.READY


def test_nodes_that_take_no_pods_are_counted_by_what_is_wrong_with_them() -> None:
    cordoned = ascend("a2")
    cordoned["spec"]["unschedulable"] = True
    found = verdict(asking(), nodes=[ascend("a1", ready=False), ascend("a3", ready=False), cordoned])
    assert found == Judgement(
        Verdict.RETRY,
        "podSet main: no eligible node takes its pods (policy confidential): 2 nodes: isn't ready; 1 node: is cordoned",
    )


def test_a_tainted_node_takes_the_pods_that_tolerate_it_by_themselves_or_by_their_flavor() -> None:
    tainted = ascend("a1")
    tainted["spec"]["taints"] = [{"key": "batch", "value": "only", "effect": "NoSchedule"}]
    assignment = {"podSetAssignments": [{"name": "main", "flavors": {ASCEND_RESOURCE: "batch"}}]}
    wanted = asking(status={"admission": assignment})
    tolerating = flavor("batch", tolerations=[{"key": "batch", "value": "only"}])
    assert verdict(asking(), nodes=[tainted]).verdict is Verdict.RETRY
    assert verdict(wanted, nodes=[tainted], flavors=[flavor("batch")]).verdict is Verdict.RETRY
    assert verdict(wanted, nodes=[tainted], flavors=[tolerating]).verdict is Verdict.READY
    for toleration in ({"operator": "Exists"}, {"key": "batch", "operator": "Exists", "effect": "NoSchedule"}):
        own = asking()
        own["spec"]["podSets"][0]["template"]["spec"]["tolerations"] = [toleration]
        assert verdict(own, nodes=[tainted]).verdict is Verdict.READY


def test_a_node_selector_of_its_own_counts_and_the_policys_pin_does_not() -> None:
    for labels, expected in (
        ({SITE: "elsewhere"}, Verdict.RETRY),
        ({SITE: "cyberjaya-1"}, Verdict.READY),
        ({"daulat.node-restriction.kubernetes.io/confidential": "eligible"}, Verdict.READY),
    ):
        wanted = asking()
        wanted["spec"]["podSets"][0]["template"]["spec"]["nodeSelector"] = labels
        assert verdict(wanted).verdict is expected


def test_what_was_admitted_and_has_no_pods_yet_is_not_free() -> None:
    assert verdict(asking(), workloads=[ready("other", 1)]).verdict is Verdict.READY
    assert verdict(asking(), workloads=[ready("other", 2)]).verdict is Verdict.RETRY


def test_the_pods_of_what_was_admitted_count_once() -> None:
    there = [from_queue("p1", "a1")]
    assert verdict(asking(), workloads=[ready("other", 1)], pods=there).verdict is Verdict.READY
    assert verdict(asking(), workloads=[ready("other", 2)], pods=there).verdict is Verdict.RETRY


def test_the_pods_that_are_done_need_nothing_any_more() -> None:
    done = ready("other", 2)
    done["status"]["reclaimablePods"] = [{"name": "main", "count": 1}]
    assert verdict(asking(), workloads=[done]).verdict is Verdict.READY


def test_what_was_admitted_elsewhere_takes_nothing_here() -> None:
    nodes = [ascend("a1"), ascend("b1", "johor-1")]
    zones = [zone(), zone("johor-1")]
    policies = [
        policy(zones={"names": ["cyberjaya-1"]}),
        policy(
            "south", namespaceSelector={"matchLabels": {"daulat.dev/data-class": "south"}}, zones={"names": ["johor-1"]}
        ),
    ]
    south = namespace("south")
    south["metadata"]["labels"] = {"daulat.dev/data-class": "south"}
    namespaces = [namespace(), south]
    other = ready("other", 1, namespace="south")
    found = verdict(asking(), workloads=[other], nodes=nodes, zones=zones, policies=policies, namespaces=namespaces)
    assert found.message == "1 eligible node in zone cyberjaya-1 under policy confidential"


def test_while_pods_are_ending_that_hold_the_devices_it_keeps_its_quota_and_waits() -> None:
    """Sent back, it would give its quota to what it has just preempted, and preempt that again."""
    ending = from_queue("p1", "a1", deletionTimestamp=stamp(NOW + 10))
    found = verdict(asking(), nodes=[ascend("a1")], pods=[ending])
    assert found.verdict is Verdict.PENDING
    late = from_queue("p1", "a1", deletionTimestamp=stamp(NOW - 60))
    assert verdict(asking(), nodes=[ascend("a1")], pods=[late]).verdict is Verdict.RETRY
    assert verdict(asking(pods=2), nodes=[ascend("a1")], pods=[ending]).verdict is Verdict.RETRY


def test_what_a_placed_model_is_about_to_take_is_not_free_unless_it_waits_in_a_queue_itself() -> None:
    placed = standing("huawei-ascend-910b", ASCEND_RESOURCE, "a1")
    of: dict[str, Any] = {"accelerators": [{"profile": "huawei-ascend-910b", "count": 8, "image": "i"}]}
    world: dict[str, Any] = {"nodes": [ascend("a1")]}
    assert verdict(asking(), models=[model(status=placed, **of)], **world).verdict is Verdict.RETRY
    assert verdict(asking(), models=[model(status=placed, queueName="team", **of)], **world).verdict is Verdict.READY


def test_what_runs_already_is_not_sent_back_for_devices_that_it_holds_itself() -> None:
    running = [RESERVED, {"type": "Admitted", "status": "True"}]
    wanted = asking(status={"conditions": running})
    assert verdict(wanted, nodes=[ascend("a1")], pods=[from_queue("p", "a1")]).verdict is Verdict.READY


def test_podsets_of_one_workload_share_the_nodes() -> None:
    wanted = asking()
    first = wanted["spec"]["podSets"][0]
    wanted["spec"]["podSets"] = [{**first, "name": "head"}, {**first, "name": "workers", "count": 2}]
    assert verdict(wanted).message == (
        f"podSet workers: 2 pods with 8 {ASCEND_RESOURCE} each; 3 eligible nodes in zone cyberjaya-1 have room for 1 "
        "(policy confidential)"
    )
    assert verdict(wanted, nodes=[ascend(n) for n in ("a1", "a2", "a3")]).verdict is Verdict.READY


NODES = st.lists(st.tuples(st.sampled_from(["cyberjaya-1", "singapore-1", ""]), st.integers(0, 8)), max_size=5)


@given(nodes=NODES, pods=st.integers(1, 4), count=st.integers(1, 8), admitted=st.integers(0, 3))
def test_what_is_ready_fits_beside_all_that_was_admitted_and_what_is_sent_back_would_not_surely(
    nodes: list[tuple[str, int]], pods: int, count: int, admitted: int
) -> None:
    raw = [ascend(f"n{i}", site, devices) for i, (site, devices) in enumerate(nodes)]
    zones = [zone(), zone("singapore-1", country="SG")]
    others = [ready(f"other-{i}", 1, count) for i in range(admitted)]
    found = verdict(asking(count, pods), nodes=raw, zones=zones, workloads=others)
    room = sum(devices // count for site, devices in nodes if site == "cyberjaya-1")
    assert found.verdict is (Verdict.READY if room >= pods + min(admitted, room) else Verdict.RETRY)
