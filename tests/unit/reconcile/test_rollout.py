"""How replicas are replaced: with a spare device before the old one goes, without one after; a drain gets a replica elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from daulat.facts.ref import Ref
from daulat.reconcile.effects import Apply, ApplyStatus, Delete, Outcome
from daulat.reconcile.models import reconcile_model
from daulat.workload.manifests import DEADLINE
from tests.unit.world import ASCEND, ASCEND_RESOURCE, IMAGE, World, ascend, child, choice, model, pod

REF = Ref("SovereignModel", "treasury", "deepseek")
NOW = 1_800_000_000.0
OTHER_IMAGE = IMAGE.replace("2b", "5e")


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(world: World, now: float = NOW) -> Outcome:
    return reconcile_model(REF, world.snapshot(), now)


def applied(outcome: Outcome, kind: str) -> dict[str, Any]:
    return next(e.manifest for e in outcome.effects if isinstance(e, Apply) and e.manifest["kind"] == kind)


def status(outcome: Outcome) -> dict[str, Any]:
    (found,) = [e.status for e in outcome.effects if isinstance(e, ApplyStatus)]
    return found


def condition(outcome: Outcome, type_: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in status(outcome)["conditions"] if c["type"] == type_)
    return found


def rolling(outcome: Outcome) -> tuple[int, int]:
    found = applied(outcome, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    return found["maxSurge"], found["maxUnavailable"]


def evictable(outcome: Outcome) -> int:
    found: int = applied(outcome, "PodDisruptionBudget")["spec"]["maxUnavailable"]
    return found


class Cluster:
    """A model with its Deployment and pods as they are after the operator's and the controllers' work so far."""

    def __init__(self, nodes: list[dict[str, Any]], count: int = 8, replicas: int = 1) -> None:
        spec = model(accelerators=[choice(ASCEND, count)], replicas=replicas)
        self.count = count
        self.world = World(nodes=nodes, models=[spec])
        self.revision = ""
        self.take(run(self.world))

    def take(self, outcome: Outcome) -> None:
        """Write what was applied, as the API server would."""
        self.world.with_status_of(outcome.effects)
        made = applied(outcome, "Deployment")
        raw = child("Deployment", "deepseek", "treasury", model="deepseek", spec=made["spec"], status=self.counts)
        raw["metadata"]["annotations"] = made["metadata"]["annotations"]
        self.world.children = [raw]
        self.wanted = made["metadata"]["annotations"]["daulat.dev/revision"]

    counts: dict[str, int] = {"replicas": 0, "updatedReplicas": 0, "readyReplicas": 0, "observedGeneration": 1}

    def pods(self, *pods: dict[str, Any], updated: int, ready: int) -> None:
        """Set the pods, and what the Deployment says of them."""
        self.world.pods = list(pods)
        self.counts = {
            "replicas": len(pods),
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "observedGeneration": 1,
        }
        self.world.children[0]["status"] = self.counts

    def pod(self, name: str, on: str = "", *, ready: bool = True, revision: str = "", **more: Any) -> dict[str, Any]:
        """Return a pod of the model."""
        raw = pod(name, on, {ASCEND_RESOURCE: str(self.count)}, "deepseek")
        raw["metadata"]["annotations"] = {"daulat.dev/revision": revision or self.wanted}
        raw["status"] = {"conditions": [{"type": "Ready", "status": str(ready)}], **more}
        return raw

    def change(self) -> None:
        """Ask for another image."""
        self.world.models[0]["spec"]["accelerators"][0]["image"] = OTHER_IMAGE
        self.world.models[0]["metadata"]["generation"] = 2


def settled(nodes: int = 2, replicas: int = 1) -> Cluster:
    """Return a cluster in which all replicas are ready, each on a node of its own."""
    names = [f"a{n}" for n in range(1, nodes + 1)]
    cluster = Cluster([ascend(name) for name in names], replicas=replicas)
    ready = [cluster.pod(f"p{n}", name) for n, name in enumerate(names[:replicas])]
    cluster.pods(*ready, updated=replicas, ready=replicas)
    cluster.take(run(cluster.world))
    return cluster


def unplaced(seconds: float = NOW) -> dict[str, Any]:
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": at(seconds)}
    return {"conditions": [told]}


def test_a_rollout_surges_where_a_spare_device_exists() -> None:
    cluster = settled(nodes=2)
    assert rolling(run(cluster.world)) == (0, 1)
    cluster.change()
    assert rolling(run(cluster.world)) == (1, 0)


def test_a_rollout_takes_the_old_one_first_where_there_is_no_spare_device() -> None:
    cluster = settled(nodes=1)
    cluster.change()
    assert rolling(run(cluster.world)) == (0, 1)


def test_a_surge_whose_device_others_took_becomes_one_at_a_time() -> None:
    cluster = settled(nodes=2)
    old = cluster.wanted
    cluster.change()
    cluster.take(run(cluster.world))
    thief = pod("thief", "a2", {ASCEND_RESOURCE: "8"})
    former, waiting = cluster.pod("p0", "a1", revision=old), cluster.pod("p1", **unplaced())
    cluster.pods(former, waiting, updated=1, ready=1)
    assert rolling(run(cluster.world)) == (1, 0), "a2 is free, so the scheduler will find it"
    cluster.world.pods.append(thief)
    assert rolling(run(cluster.world)) == (0, 1)


def test_the_strategy_doesnt_follow_what_others_do_between_rollouts() -> None:
    cluster = settled(nodes=2)
    cluster.change()
    cluster.take(run(cluster.world))
    cluster.pods(cluster.pod("p1", "a2"), updated=1, ready=1)
    cluster.take(run(cluster.world))
    assert rolling(run(cluster.world)) == (1, 0)
    cluster.world.pods.append(pod("other", "a1", {ASCEND_RESOURCE: "8"}))
    assert rolling(run(cluster.world)) == (1, 0)


def test_a_rollout_that_fails_keeps_the_old_one_and_says_so() -> None:
    cluster = settled(nodes=2)
    old = cluster.wanted
    cluster.change()
    cluster.take(run(cluster.world))
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    broken = cluster.pod("p1", "a2", ready=False, containerStatuses=[{"name": "engine", "state": waiting}])
    cluster.pods(cluster.pod("p0", "a1", revision=old), broken, updated=1, ready=1)
    outcome = run(cluster.world)
    assert condition(outcome, "WorkloadReady")["status"] == "True"
    failed = condition(outcome, "RolledOut")
    assert (failed["status"], failed["reason"]) == ("False", "RolloutFailed")
    assert failed["message"] == (
        "1 of 2 replicas run the present settings; the others go on with the former ones. Pod p1: container engine: not found"
    )
    assert condition(outcome, "Ready")["reason"] == "RolloutFailed"
    assert status(outcome)["url"]


def test_a_rollout_that_takes_too_long_has_failed() -> None:
    cluster = settled(nodes=2)
    old = cluster.wanted
    cluster.change()
    cluster.take(run(cluster.world))
    cluster.pods(cluster.pod("p0", "a1", revision=old), cluster.pod("p1", "a2", ready=False), updated=1, ready=1)
    assert condition(run(cluster.world), "RolledOut")["reason"] == "RollingOut"
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "took too long"}
    cluster.world.children[0]["status"] = {**cluster.counts, "conditions": [late]}
    failed = condition(run(cluster.world), "RolledOut")
    assert (failed["reason"], failed["message"].endswith("took too long")) == ("RolloutFailed", True)


def test_the_history_tells_every_template_and_a_rollback() -> None:
    cluster = settled(nodes=2)
    (first,) = cluster.world.models[0]["status"]["history"]
    assert (first["revision"], first["template"], first["generation"]) == (1, cluster.wanted, 1)
    assert first["finishedAt"] == at(NOW)
    assert first["summary"] == (
        f"vllm {IMAGE} serves oci://registry.example.my/models/deepseek@sha256:{'1a' * 32} with 8 x {ASCEND} in zone cyberjaya-1"
    )
    cluster.change()
    cluster.take(run(cluster.world, NOW + 60))
    assert [e["revision"] for e in cluster.world.models[0]["status"]["history"]] == [1, 2]
    assert "finishedAt" not in cluster.world.models[0]["status"]["history"][1]
    cluster.world.models[0]["spec"]["accelerators"][0]["image"] = IMAGE
    cluster.take(run(cluster.world, NOW + 120))
    last = cluster.world.models[0]["status"]["history"][-1]
    assert (last["revision"], last["rollbackTo"], last["template"]) == (3, 1, first["template"])


def test_the_history_keeps_the_last_ten() -> None:
    cluster = settled(nodes=2)
    for n in range(12):
        cluster.world.models[0]["spec"]["accelerators"][0]["image"] = IMAGE.replace("2b", f"{n + 10}")
        cluster.take(run(cluster.world))
    kept = cluster.world.models[0]["status"]["history"]
    assert [e["revision"] for e in kept] == list(range(4, 14))


def test_more_replicas_are_no_rollout() -> None:
    cluster = settled(nodes=2)
    cluster.world.models[0]["spec"]["replicas"] = 2
    outcome = run(cluster.world)
    assert len(status(outcome)["history"]) == 1
    assert condition(outcome, "RolledOut")["status"] == "True"


def cordon(cluster: Cluster, *names: str) -> None:
    for raw in cluster.world.nodes:
        if raw["metadata"]["name"] in names:
            raw["spec"] = {"unschedulable": True}


def test_the_only_replica_gets_another_elsewhere_before_it_may_be_evicted() -> None:
    cluster = settled(nodes=2)
    assert evictable(run(cluster.world)) == 0
    cordon(cluster, "a1")
    outcome = run(cluster.world)
    assert (applied(outcome, "Deployment")["spec"]["replicas"], evictable(outcome)) == (2, 0)
    assert status(outcome)["drain"] == {"since": at(NOW), "nodes": ["a1"]}
    assert outcome.requeue_after == DEADLINE
    cluster.take(outcome)
    cluster.pods(cluster.pod("p0", "a1"), cluster.pod("p1", "a2", ready=False), updated=2, ready=1)
    loading = run(cluster.world, NOW + 600)
    assert (applied(loading, "Deployment")["spec"]["replicas"], evictable(loading)) == (2, 0)
    cluster.pods(cluster.pod("p0", "a1"), cluster.pod("p1", "a2"), updated=2, ready=2)
    ready = run(cluster.world, NOW + 900)
    assert (applied(ready, "Deployment")["spec"]["replicas"], evictable(ready)) == (2, 1)
    cluster.take(ready)
    cluster.pods(cluster.pod("p1", "a2"), cluster.pod("p2", **unplaced()), updated=2, ready=1)
    after = run(cluster.world, NOW + 960)
    assert (applied(after, "Deployment")["spec"]["replicas"], evictable(after)) == (1, 0)
    assert "drain" not in status(after)


def test_a_drain_isnt_kept_waiting_where_there_is_no_room_elsewhere() -> None:
    cluster = settled(nodes=1)
    cordon(cluster, "a1")
    outcome = run(cluster.world)
    assert (applied(outcome, "Deployment")["spec"]["replicas"], evictable(outcome)) == (1, 1)


def test_a_drain_isnt_kept_waiting_for_ever() -> None:
    cluster = settled(nodes=2)
    cordon(cluster, "a1")
    cluster.take(run(cluster.world))
    cluster.pods(cluster.pod("p0", "a1"), cluster.pod("p1", "a2", ready=False), updated=2, ready=1)
    late = run(cluster.world, NOW + DEADLINE)
    assert applied(late, "Deployment")["spec"]["replicas"] == 1
    assert evictable(late) == 2, "the pod that may go, beside the one that isn't ready"
    assert late.requeue_after is None


def test_of_several_replicas_all_on_drained_nodes_go_where_nothing_replaces_them() -> None:
    cluster = settled(nodes=3, replicas=3)
    assert evictable(run(cluster.world)) == 1
    cordon(cluster, "a1", "a2")
    outcome = run(cluster.world)
    assert evictable(outcome) == 1, "one at a time, as long as none is missing"
    cluster.take(outcome)
    waiting = cluster.pod("p3", **unplaced())
    cluster.pods(cluster.pod("p1", "a2"), cluster.pod("p2", "a3"), waiting, updated=3, ready=2)
    assert evictable(run(cluster.world)) == 2


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_pod_that_doesnt_serve_never_keeps_a_node(replicas: int) -> None:
    cluster = settled(nodes=2, replicas=replicas)
    budget = applied(run(cluster.world), "PodDisruptionBudget")["spec"]
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


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
    cluster = settled(nodes=1)
    old = cluster.wanted
    cluster.change()
    cluster.take(run(cluster.world))
    former = leaving(cluster.pod("p0", "a1", revision=old))
    cluster.pods(former, cluster.pod("p1", **no_room()), updated=0, ready=0)
    outcome = run(cluster.world)
    rolled, workload = condition(outcome, "RolledOut"), condition(outcome, "WorkloadReady")
    assert (rolled["status"], rolled["reason"]) == ("False", "RollingOut")
    assert rolled["message"].endswith(goes_on("p0"))
    assert (workload["status"], workload["reason"]) == ("False", "ReplicasPending")
    assert "pod p1: the scheduler says: 0/1 nodes are available" in workload["message"]
    assert workload["message"].endswith(goes_on("p0"))
    assert outcome.requeue_after == 601, "what is late by then is told as it was"
    late = run(cluster.world, NOW + 601)
    assert condition(late, "RolledOut")["reason"] == "RolloutFailed"
    assert condition(late, "WorkloadReady")["reason"] == "Unschedulable"


def test_a_deployment_that_lost_its_patience_while_an_old_pod_ends_is_no_failed_rollout() -> None:
    cluster = settled(nodes=1)
    old = cluster.wanted
    cluster.change()
    cluster.take(run(cluster.world))
    cluster.pods(leaving(cluster.pod("p0", "a1", revision=old)), cluster.pod("p1", **no_room()), updated=0, ready=0)
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "took too long"}
    cluster.world.children[0]["status"] = {**cluster.counts, "conditions": [late]}
    assert condition(run(cluster.world), "RolledOut")["reason"] == "RollingOut"


def test_a_new_pod_with_a_trouble_of_its_own_fails_whatever_ends_meanwhile() -> None:
    cluster = settled(nodes=2)
    old = cluster.wanted
    cluster.change()
    cluster.take(run(cluster.world))
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    broken = cluster.pod("p1", "a2", ready=False, containerStatuses=[{"name": "engine", "state": waiting}])
    cluster.pods(leaving(cluster.pod("p0", "a1", revision=old)), broken, updated=1, ready=0)
    assert condition(run(cluster.world), "RolledOut")["reason"] == "RolloutFailed"


def test_a_model_is_ready_while_a_former_replica_goes_on_and_says_that_it_does() -> None:
    cluster = settled(nodes=2)
    old = cluster.wanted
    cluster.change()
    cluster.take(run(cluster.world))
    cluster.pods(leaving(cluster.pod("p0", "a1", revision=old)), cluster.pod("p1", "a2"), updated=1, ready=1)
    cluster.world.children[0]["status"] |= {"replicas": 1}
    outcome = run(cluster.world)
    assert condition(outcome, "RolledOut")["message"] == f"no replica runs former settings; {goes_on('p0')}"
    ready = condition(outcome, "Ready")
    assert (ready["status"], ready["message"]) == ("True", f"1 of 1 replicas are ready; {goes_on('p0')}")
    cluster.world.models[0]["spec"]["replicas"] = 0
    assert condition(run(cluster.world), "WorkloadReady")["message"].endswith(f"asks for no replica; {goes_on('p0')}")


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
    cluster = settled(nodes=3, replicas=2)
    old = cluster.wanted
    cluster.change()
    cluster.take(run(cluster.world))
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
    outcome = run(cluster.world)
    assert (applied(outcome, "Deployment")["spec"]["replicas"], evictable(outcome)) == (2, 0)


def test_a_drain_waits_for_the_device_that_a_pod_elsewhere_gives_back() -> None:
    cluster = settled(nodes=2)
    cordon(cluster, "a1")
    ends = leaving(cluster.pod("p0", "a2"))
    cluster.pods(ends, cluster.pod("p1", "a1"), updated=1, ready=1)
    assert evictable(run(cluster.world)) == 0
    assert evictable(run(cluster.world, NOW + 601)) >= 1


def deleted(outcome: Outcome) -> list[tuple[str, int | None]]:
    return [(e.ref.name, e.grace) for e in outcome.effects if isinstance(e, Delete) and e.ref.kind == "Pod"]


def test_what_a_policy_is_against_has_no_longer_to_end_than_others_from_the_start() -> None:
    """Once a kubelet has begun to wait, nobody can hurry it."""
    cluster = settled(nodes=2, replicas=2)
    patient, usual, ends = cluster.pod("p0", "a1"), cluster.pod("p1", "a2"), leaving(cluster.pod("p2", "a1"))
    patient["spec"]["terminationGracePeriodSeconds"] = 655
    usual["spec"]["terminationGracePeriodSeconds"] = 60
    cluster.world.pods = [patient, usual, ends]
    assert deleted(run(cluster.world)) == []
    cluster.world.policies = []
    outcome = run(cluster.world)
    assert deleted(outcome) == [("p0", 60)]
    kinds = [e.ref.kind for e in outcome.effects if isinstance(e, Delete)]
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
    model_, *pods = applied(run(cluster.world), "NetworkPolicy")["metadata"]["ownerReferences"]
    assert (model_["kind"], model_["controller"]) == ("SovereignModel", True)
    assert [(o["kind"], o["name"], o.get("controller")) for o in pods] == [("Pod", "p0", None), ("Pod", "p2", None)]
    assert [o["uid"] for o in pods] == [ends["metadata"]["uid"], patient["metadata"]["uid"]]
    for kind in ("Deployment", "Service", "ServiceAccount"):
        assert len(applied(run(cluster.world), kind)["metadata"]["ownerReferences"]) == 1
