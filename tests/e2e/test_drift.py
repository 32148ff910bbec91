"""Facts change under pods that were let in: the policy's promise holds on, or people are told that it doesn't."""

from __future__ import annotations

import pytest

from dev.cluster import ClusterError
from dev.deployment import poll

from .hall import SITE, hall
from .world import Manifest, World, model_manifest, node_manifest, pod_manifest, unique, zone_manifest

YEAR = 365 * 86_400


def obstinate(namespace: str) -> list[Manifest]:
    """Return a Deployment whose pod would take a year to end, with a budget that lets nobody evict it."""
    labels = {"app": "report"}
    spec = {**pod_manifest("report", namespace)["spec"], "terminationGracePeriodSeconds": YEAR}
    body = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": spec},
    }
    meta = {"name": "report", "namespace": namespace}
    budget = {"maxUnavailable": 0, "selector": {"matchLabels": labels}}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": body},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": budget},
    ]


def test_a_pod_leaves_a_node_that_isnt_eligible_any_more_whatever_its_owner_says(world: World) -> None:
    with hall(world, drift={"gracePeriod": "3s"}) as own:
        world.admin.apply(obstinate(own.namespace))
        poll("the pod to have a node", lambda: len(own.where("app=report")) == 1)
        (before,) = own.where("app=report")
        (other,) = set(own.nodes) - {before}
        assert own.upheld("True") == "all governed pods are on eligible nodes"
        own.close(before)
        message = own.upheld("False")
        assert message.startswith(
            f"{before} stands in no zone of record, so it isn't eligible any more; pods there are deleted 3s "
        )
        assert f"{own.namespace}/report-" in message
        poll("the pod to be elsewhere", lambda: own.where("app=report") == [other])
        own.upheld("True")
        assert "drift" not in world.get("sovereigntypolicy", own.policy)["status"]
        told = world.admin.run("get", "events", "-n", own.namespace, "--field-selector=reason=NodeNotEligible")
        assert f"deleted: {before} stands in no zone of record" in told
        assert "pod/report-" in told


def test_where_no_other_node_is_eligible_nothing_runs(world: World) -> None:
    with hall(world, drift={"gracePeriod": "1s"}) as own:
        world.admin.apply(obstinate(own.namespace))
        poll("the pod to have a node", lambda: len(own.where("app=report")) == 1)
        for node in own.nodes:
            own.close(node)
        poll("no pod to have a node", lambda: own.where("app=report") == [])
        # For a moment there is none: the ReplicaSet creates another once the last is gone.
        poll("a pod that waits", lambda: bool(world.pods(own.namespace)))
        pods = world.pods(own.namespace)
        assert all(p["status"].get("phase") == "Pending" or p["metadata"].get("deletionTimestamp") for p in pods)


def test_a_policy_may_only_report_and_a_pod_that_comes_back_into_line_stays(world: World) -> None:
    with hall(world, drift={"action": "Report", "gracePeriod": "0s"}) as own:
        world.admin.apply(obstinate(own.namespace))
        poll("the pod to have a node", lambda: len(own.where("app=report")) == 1)
        (before,) = own.where("app=report")
        uids = [p["metadata"]["uid"] for p in world.pods(own.namespace)]
        own.close(before)
        assert "pods there are only reported" in own.upheld("False")
        (drifted,) = world.get("sovereigntypolicy", own.policy)["status"]["drift"]
        assert (drifted["node"], drifted["pods"], drifted["reason"]) == (before, 1, "stands in no zone of record")
        world.admin.apply([node_manifest(before, site=own.site)])
        own.upheld("True")
        assert [p["metadata"]["uid"] for p in world.pods(own.namespace)] == uids


def test_a_model_serves_elsewhere_before_it_leaves(world: World) -> None:
    with hall(world, drift={"gracePeriod": "10m"}) as own:
        world.admin.apply([model_manifest("m", own.namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", own.namespace)
        (before,) = own.where("daulat.dev/model=m")
        (other,) = set(own.nodes) - {before}
        own.close(before)
        told = world.wait_reason("sovereignmodel", "m", "PolicyCompliant", "NodeNotEligible", own.namespace)
        assert f"its node {before} stands in no zone of record" in told["message"]
        assert (
            "the pod is deleted as soon as another one serves elsewhere, and after 600 s in any case" in told["message"]
        )
        poll("the model to be elsewhere", lambda: own.where("daulat.dev/model=m") == [other])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", own.namespace)
        assert world.get("sovereignmodel", "m", namespace=own.namespace)["status"]["phase"] == "Ready"


def test_a_replica_leaves_once_another_serves_and_stays_where_there_is_no_room(world: World) -> None:
    """Each replica takes all devices of a node. Of three nodes one is free, and then none is."""
    with hall(world, 3, drift={"gracePeriod": "10m", "limit": "100%"}) as own:
        model = model_manifest("m", own.namespace, replicas=2)
        for choice in model["spec"]["accelerators"]:
            choice["count"] = 8
        world.admin.apply([model])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", own.namespace)
        first, second = own.where("daulat.dev/model=m")
        (free,) = set(own.nodes) - {first, second}
        (kept,) = (p["metadata"]["uid"] for p in own.running(second))
        fewest = 2

        def moved() -> bool:
            nonlocal fewest
            serving = own.running()
            fewest = min(fewest, len(serving))
            return sorted(p["spec"]["nodeName"] for p in serving) == sorted((second, free))

        own.close(first)
        poll("the replica to be elsewhere", moved)
        assert fewest == 2
        assert kept in {p["metadata"]["uid"] for p in own.running(second)}

        own.close(second)
        asked = ("sovereignmodel", "m", "PolicyCompliant", own.namespace)
        poll(
            "the model to report it",
            lambda: f"its node {second} stands in no zone" in world.condition(*asked)["message"],
        )
        poll("the policy to report it", lambda: second in own.upheld("False"))
        assert {kept} < {p["metadata"]["uid"] for p in own.running()}


def test_a_model_without_another_place_goes_on_as_long_as_its_policy_lets_it(world: World) -> None:
    with hall(world, 1, drift={"action": "Report"}) as own:
        ready = ("sovereignmodel", "m", "Ready", "True", own.namespace)
        world.admin.apply([model_manifest("m", own.namespace, replicas=2)])
        world.wait_condition(*ready)
        uids = sorted(p["metadata"]["uid"] for p in own.running())

        # A second zone claims the node: whatever else runs there is only reported, and so is the model.
        site = {"matchLabels": {SITE: own.site}}
        overlap = zone_manifest(unique("overlap"), nodeSelector=site)
        world.admin.apply([overlap])
        told = world.wait_reason("sovereignmodel", "m", "PolicyCompliant", "NodeNotEligible", own.namespace)
        assert told["message"].endswith("the policy only reports that")
        status = world.get("sovereignmodel", "m", namespace=own.namespace)["status"]
        assert (status["phase"], status["readyReplicas"], "until" in status["drift"]) == ("Drifting", 2, False)
        # What is made of it is kept as it is meanwhile.
        world.admin.run("scale", "deployment", "m", "--replicas=0", "-n", own.namespace)
        poll("the Deployment to be repaired", lambda: _replicas(world, own.namespace) == 2)

        # Where nothing governs it any more, it keeps what it has, and nothing new is let in.
        spec = world.get("sovereigntypolicy", own.policy)
        world.admin.run("delete", "sovereigntypolicy", own.policy)
        world.wait_reason("sovereignmodel", "m", "PolicyCompliant", "NotGoverned", own.namespace)
        before = [p["metadata"]["uid"] for p in own.running()]
        again = {k: v for k, v in spec.items() if k != "status"} | {"metadata": {"name": own.policy}}
        again["spec"]["drift"] = {"gracePeriod": "5s", "limit": "100%"}
        world.admin.apply([again])
        poll("the model to drift", lambda: "until" in (_drift(world, own.namespace) or {}))
        assert before == [p["metadata"]["uid"] for p in own.running()]
        poll("the pods to be evicted", lambda: not own.running())
        poll("the workload to be withdrawn", lambda: not world.exists("deployment", "m", own.namespace))
        assert uids

        world.admin.run("delete", "sovereignzone", overlap["metadata"]["name"])
        world.wait_condition(*ready)


def _replicas(world: World, namespace: str) -> int:
    return int(world.get("deployment", "m", namespace=namespace)["spec"]["replicas"])


def _drift(world: World, namespace: str) -> Manifest | None:
    found: Manifest | None = world.get("sovereignmodel", "m", namespace=namespace)["status"].get("drift")
    return found


def test_the_operator_may_delete_pods_that_are_pinned_and_no_others(world: World) -> None:
    namespace = unique("free")
    world.admin.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}])
    poll("the default ServiceAccount", lambda: world.exists("serviceaccount", "default", namespace))
    pinned = pod_manifest("pinned", namespace, nodeSelector={f"{SITE.rpartition('/')[0]}/zone": "cyberjaya-1"})
    world.admin.apply([pod_manifest("free", namespace), pinned])
    operator = world.as_operator()
    with pytest.raises(ClusterError, match="a pod that isn't pinned to nodes of record"):
        operator.run("delete", "pod", "free", "-n", namespace, "--wait=false")
    operator.run("delete", "pod", "pinned", "-n", namespace, "--wait=false")
    with pytest.raises(ClusterError, match="forbidden"):
        operator.run("delete", "--raw", f"/api/v1/namespaces/{namespace}/pods")
    world.admin.run("delete", "namespace", namespace, "--wait=false")
