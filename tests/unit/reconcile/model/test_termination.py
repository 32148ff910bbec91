"""Pods on their way out: a rollout waits for their devices, status says so, and nobody is opened or counted on meanwhile."""

from __future__ import annotations

from typing import Any

from daulat.reconcile.result import Delete, Result
from daulat.workload.network import DEFAULT_DENY
from tests.unit.world import policy

from .deployed import (
    LATE,
    NOW,
    applied,
    at,
    condition,
    cordon,
    every_applied,
    evictable,
    rolling,
    run,
    settled,
    under_way,
    unplaced,
    without_image,
)

ENDS = at(NOW + 600)


def leaving(raw: dict[str, Any], until: str = ENDS) -> dict[str, Any]:
    """Return a pod that somebody has deleted, and that has until then to end."""
    raw["metadata"] |= {"deletionTimestamp": until}
    raw["spec"]["terminationGracePeriodSeconds"] = 655
    return raw


def goes_on(name: str) -> str:
    return f"pod {name} goes on with earlier requests and holds its devices, until {ENDS} at the latest"


def no_room() -> dict[str, Any]:
    told = unplaced()
    told["conditions"][0]["message"] = "0/1 nodes are available: 1 Insufficient huawei.com/Ascend910."
    return told


def test_a_new_pod_that_waits_for_the_end_of_an_old_one_is_no_failed_rollout() -> None:
    cluster, old = under_way(nodes=1)
    former = leaving(cluster.pod("p0", "a1", revision=old))
    cluster.pods(former, cluster.pod("p1", **no_room()), updated=0, ready=0)
    result = run(cluster.world)
    rolled, workload = condition(result, "RolledOut"), condition(result, "WorkloadReady")
    assert (rolled["status"], rolled["reason"]) == ("False", "RollingOut")
    assert rolled["message"].endswith(goes_on("p0"))
    assert (workload["status"], workload["reason"]) == ("False", "ReplicasPending")
    assert "pod p1: the scheduler says: 0/1 nodes are available" in workload["message"]
    assert workload["message"].endswith(goes_on("p0"))
    assert result.requeue_after == 601, "what is late by then is told as it was"
    late = run(cluster.world, NOW + 601)
    assert condition(late, "RolledOut")["reason"] == "RolloutFailed"
    assert condition(late, "WorkloadReady")["reason"] == "Unschedulable"


def test_a_deployment_that_lost_its_patience_while_an_old_pod_ends_is_no_failed_rollout() -> None:
    cluster, old = under_way(nodes=1)
    cluster.pods(leaving(cluster.pod("p0", "a1", revision=old)), cluster.pod("p1", **no_room()), updated=0, ready=0)
    cluster.world.children[0]["status"] = {**cluster.counts, "conditions": [LATE]}
    assert condition(run(cluster.world), "RolledOut")["reason"] == "RollingOut"


def test_a_new_pod_with_a_trouble_of_its_own_fails_whatever_ends_meanwhile() -> None:
    cluster, old = under_way()
    broken = without_image(cluster)
    cluster.pods(leaving(cluster.pod("p0", "a1", revision=old)), broken, updated=1, ready=0)
    assert condition(run(cluster.world), "RolledOut")["reason"] == "RolloutFailed"


def test_a_model_is_ready_while_a_former_replica_goes_on_and_says_that_it_does() -> None:
    cluster, old = under_way()
    cluster.pods(leaving(cluster.pod("p0", "a1", revision=old)), cluster.pod("p1", "a2"), updated=1, ready=1)
    cluster.world.children[0]["status"] |= {"replicas": 1}
    result = run(cluster.world)
    assert condition(result, "RolledOut")["message"] == f"no replica runs former settings; {goes_on('p0')}"
    ready = condition(result, "Ready")
    assert (ready["status"], ready["message"]) == ("True", f"1 of 1 replicas are ready; {goes_on('p0')}")
    cluster.world.models[0]["spec"]["replicas"] = 0
    assert condition(run(cluster.world), "WorkloadReady")["message"].endswith(f"spec.replicas is 0; {goes_on('p0')}")


def test_what_a_pod_says_that_is_on_its_way_out_is_no_trouble() -> None:
    cluster = settled(nodes=2, replicas=2)
    silent = [{"name": "engine", "state": {"running": {}}, "started": True, "ready": False}]
    raw = leaving(cluster.pod("p1", "a1", ready=False, containerStatuses=silent))
    cluster.pods(raw, cluster.pod("p2", "a2"), updated=1, ready=1)
    workload = condition(run(cluster.world), "WorkloadReady")
    assert (workload["reason"], workload["message"]) == (
        "ReplicasPending",
        f"1 of 2 replicas are ready; {goes_on('p1')}",
    )


def test_of_a_node_that_is_lost_nobody_says_that_its_pod_goes_on() -> None:
    cluster = settled(nodes=2)
    cluster.world.nodes[0]["status"]["conditions"][0]["status"] = "False"
    cluster.pods(leaving(cluster.pod("p0", "a1")), cluster.pod("p1", "a2", ready=False), updated=1, ready=0)
    workload = condition(run(cluster.world), "WorkloadReady")
    assert workload["reason"] == "NodeNotReady"
    assert "goes on" not in workload["message"]


def test_a_surge_waits_for_the_device_that_an_old_pod_gives_back() -> None:
    """Else an old pod that serves would go for a device that is coming anyhow, and a replica be missed for as long."""
    cluster, old = under_way(nodes=3, replicas=2)
    ends = leaving(cluster.pod("p1", "a1", revision=old))
    stays, new, waits = cluster.pod("p2", "a2", revision=old), cluster.pod("p3", "a3"), cluster.pod("p4", **no_room())
    cluster.pods(ends, stays, new, waits, updated=2, ready=2)
    assert rolling(run(cluster.world)) == (1, 0)
    assert rolling(run(cluster.world, NOW + 601)) == (0, 1), "it is late, and nobody knows whether it ever ends"
    cordon(cluster, "a1")
    assert rolling(run(cluster.world)) == (0, 1), "what it gives back nobody may take"


def test_a_pod_on_its_way_out_elsewhere_is_no_replica_for_a_drain() -> None:
    cluster = settled(nodes=3)
    cordon(cluster, "a1")
    ends = leaving(cluster.pod("p0", "a2"))
    cluster.pods(ends, cluster.pod("p1", "a1"), updated=1, ready=1)
    result = run(cluster.world)
    assert (applied(result, "Deployment")["spec"]["replicas"], evictable(result)) == (2, 0)


def test_a_drain_waits_for_the_device_that_a_pod_elsewhere_gives_back() -> None:
    cluster = settled(nodes=2)
    cordon(cluster, "a1")
    ends = leaving(cluster.pod("p0", "a2"))
    cluster.pods(ends, cluster.pod("p1", "a1"), updated=1, ready=1)
    assert evictable(run(cluster.world)) == 0
    assert evictable(run(cluster.world, NOW + 601)) >= 1


def deleted(result: Result) -> list[tuple[str, int | None]]:
    return [(e.ref.name, e.grace) for e in result.effects if isinstance(e, Delete) and e.ref.kind == "Pod"]


def test_what_a_policy_is_against_has_no_longer_to_end_than_others_from_the_start() -> None:
    """Once a kubelet has begun to wait, nobody can hurry it."""
    cluster = settled(nodes=2, replicas=2)
    patient, usual, ends = cluster.pod("p0", "a1"), cluster.pod("p1", "a2"), leaving(cluster.pod("p2", "a1"))
    patient["spec"]["terminationGracePeriodSeconds"] = 655
    usual["spec"]["terminationGracePeriodSeconds"] = 60
    cluster.world.pods = [patient, usual, ends]
    assert deleted(run(cluster.world)) == []
    cluster.world.policies = [policy(models={"licenses": ["Apache-2.0"]}, drift={"gracePeriod": "0s"})]
    result = run(cluster.world)
    assert deleted(result) == [("p0", 60)]
    kinds = [e.ref.kind for e in result.effects if isinstance(e, Delete)]
    assert kinds.index("Deployment") < kinds.index("Pod"), "else it is made anew"


def test_the_network_stays_closed_until_pods_that_may_take_long_have_ended() -> None:
    """They own its policy beside the model: what has an owner isn't collected."""
    cluster = settled(nodes=2, replicas=2)
    patient, usual, ends = cluster.pod("p2", "a1"), cluster.pod("p1", "a2"), leaving(cluster.pod("p0", "a1"))
    patient["spec"]["terminationGracePeriodSeconds"] = 655
    usual["spec"]["terminationGracePeriodSeconds"] = 60
    for raw in (patient, usual, ends):
        raw["metadata"]["uid"] = f"uid-of-{raw['metadata']['name']}"
    cluster.world.pods = [patient, usual, ends]
    everyones, own = every_applied(run(cluster.world), "NetworkPolicy")
    assert (everyones["metadata"]["name"], everyones["metadata"].get("ownerReferences")) == (DEFAULT_DENY, None)
    model_, *pods = own["metadata"]["ownerReferences"]
    assert (model_["kind"], model_["controller"]) == ("SovereignModel", True)
    assert [(o["kind"], o["name"], o.get("controller")) for o in pods] == [("Pod", "p0", None), ("Pod", "p2", None)]
    assert [o["uid"] for o in pods] == [ends["metadata"]["uid"], patient["metadata"]["uid"]]
    for kind in ("Deployment", "Service", "ServiceAccount"):
        assert len(applied(run(cluster.world), kind)["metadata"]["ownerReferences"]) == 1
