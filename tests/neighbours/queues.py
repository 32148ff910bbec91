"""Queues of Kueue, Jobs that go through them, and nodes that join while they wait."""

from __future__ import annotations

from typing import Any

from tests.e2e.world import IMAGE, Manifest, World, node_manifest, unique

API = "kueue.x-k8s.io/v1beta2"
ASCEND = "huawei.com/Ascend910"
RESOURCES = ("cpu", "memory", ASCEND, "nvidia.com/gpu", "amd.com/gpu")
NAME = "sovereignty"
CHECK = {
    "apiVersion": API,
    "kind": "AdmissionCheck",
    "metadata": {"name": NAME},
    "spec": {"controllerName": "daulat.dev/sovereignty"},
}


def add_node(world: World, zone: str, devices: int) -> str:
    """Add a node of a zone with so many devices, and return its name."""
    name = unique("joined")
    node = node_manifest(name, site=zone)
    amounts = {**node["status"]["allocatable"], ASCEND: str(devices)}
    node["status"] = {**node["status"], "allocatable": amounts, "capacity": amounts}
    world.admin.apply([node])
    world.admin.apply([node], "--subresource=status")
    return name


def make_queue(world: World, namespace: str, *checks: str) -> None:
    """Make a queue with these AdmissionChecks, of which the namespace's LocalQueue is a part, and two priorities."""
    head = {"name": namespace}
    amounts = dict(zip(RESOURCES, ("2", "64Gi", "1", "1", "1"), strict=True))
    quotas = [{"name": name, "nominalQuota": amount} for name, amount in amounts.items()]
    covered = {"coveredResources": list(RESOURCES), "flavors": [{"name": namespace, "resources": quotas}]}
    spec: Manifest = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceGroups": [covered],
        "preemption": {"withinClusterQueue": "LowerPriority"},
    }
    if checks:
        spec["admissionChecksStrategy"] = {"admissionChecks": [{"name": name} for name in checks]}
    classes = [
        {
            "apiVersion": API,
            "kind": "WorkloadPriorityClass",
            "metadata": {"name": f"{namespace}-{name}"},
            "value": value,
        }
        for name, value in (("low", 1), ("high", 100))
    ]
    world.admin.apply(
        [
            {"apiVersion": API, "kind": "ResourceFlavor", "metadata": head},
            {"apiVersion": API, "kind": "ClusterQueue", "metadata": head, "spec": spec},
            {
                "apiVersion": API,
                "kind": "LocalQueue",
                "metadata": {"name": "team", "namespace": namespace},
                "spec": {"clusterQueue": namespace},
            },
            *classes,
        ]
    )
    world.wait_condition("clusterqueue", namespace, "Active", "True")


def job(name: str, namespace: str, image: str = IMAGE, device: str = "") -> Manifest:
    """Return the project's sample Job with a queue: it takes all of the queue's CPUs, and one device where one is named."""
    labels = {"kueue.x-k8s.io/queue-name": "team"}
    resources: Manifest = {"requests": {"cpu": "2", "memory": "200Mi"}}
    if device:
        resources["limits"] = {device: "1"}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "main", "image": image, "resources": resources}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"suspend": True, "template": {"spec": pod}},
    }
