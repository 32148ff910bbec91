"""A fleet's objects as the API server gets them: nodes with 11 KB as a kubelet reports them, pods with 5 KB, models."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bench import pods
from bench.fleet.plan import ASCEND, DEVICES, H20, PROFILES, RESOURCES, PlannedNode, PlannedPod, PlannedPolicy
from dev.cluster.fakenodes import ANNOTATION
from dev.cluster.scenario import SITE_LABEL

Manifest = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "dev" / "scenarios" / "demo.yaml"
SCOPE = "daulat.dev/fleet"
"""The label by which a policy selects its namespaces."""
DIGEST = "@sha256:" + "2b" * 32
IMAGES = 50
"""In a node's status: as many as a kubelet reports at most."""
IMAGE = {
    ASCEND: f"registry.example.my/ascend/vllm-ascend{DIGEST}",
    H20: f"registry.example.my/vllm/vllm-openai{DIGEST}",
}


@cache
def _scenario() -> Manifest:
    found: Manifest = yaml.safe_load(SCENARIO.read_text())
    return found


def node(planned: PlannedNode, now: str) -> Manifest:
    """Return a node that is Ready already, so that KWOK needn't make it so. Of a status only a node keeps it on creation."""
    hardware = _scenario()["hardware"][planned.hardware]
    labels = {"kubernetes.io/hostname": planned.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    labels |= hardware["labels"] | ({SITE_LABEL: planned.site} if planned.site else {})
    offered = {name: str(value) for name, value in hardware["allocatable"].items()}
    offered |= {"pods": "110", RESOURCES[planned.hardware]: str(DEVICES)}
    annotations = {**hardware.get("annotations", {}), ANNOTATION: "fake"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": planned.name, "labels": labels, "annotations": annotations},
        "status": {
            "allocatable": offered,
            "capacity": offered,
            "conditions": conditions(now),
            "addresses": [
                {"type": "InternalIP", "address": "10.90.0.1"},
                {"type": "Hostname", "address": planned.name},
            ],
            "nodeInfo": _INFO,
            "images": [
                {
                    "names": [f"registry.example.my/images/{n}{DIGEST}", f"registry.example.my/images/{n}:v{n}"],
                    "sizeBytes": n,
                }
                for n in range(IMAGES)
            ],
        },
    }


_INFO = {
    "architecture": "amd64",
    "operatingSystem": "linux",
    "osImage": "Fleet Linux 1",
    "kernelVersion": "6.12.0",
    "containerRuntimeVersion": "containerd://2.2.0",
    "kubeletVersion": "v1.37.2",
    "kubeProxyVersion": "",
    "machineID": "",
    "systemUUID": "",
    "bootID": "",
}


def conditions(now: str) -> list[Manifest]:
    """Return the conditions of a healthy node, as its heartbeat writes them."""
    states = {"MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True"}
    return [
        {
            "type": type_,
            "status": status,
            "reason": f"Kubelet{'Ready' if type_ == 'Ready' else 'Has' + type_}",
            "message": "as the kubelet reports it",
            "lastHeartbeatTime": now,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for type_, status in states.items()
    ]


def namespaces(policy: PlannedPolicy) -> list[Manifest]:
    """Return the namespaces that a policy governs."""
    labels = {SCOPE: policy.name}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": labels}} for n in policy.namespaces
    ]


def zone(name: str) -> Manifest:
    """Return a zone like Cyberjaya's, with the nodes of the site of that name."""
    spec = next(z["spec"] for z in _scenario()["zones"] if z["name"] == "cyberjaya-1")
    spec = {**spec, "nodeSelector": {"matchLabels": {SITE_LABEL: name}}}
    return {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereignZone", "metadata": {"name": name}, "spec": spec}


def policy(planned: PlannedPolicy, limit: str | None) -> Manifest:
    """Return a policy. ``limit``: the share of its pods that may be evicted; None for the default, or where there is no limit."""
    spec: Manifest = {
        "namespaceSelector": {"matchLabels": {SCOPE: planned.name}},
        "zones": {"names": list(planned.zones)},
        "accelerators": {"profiles": [PROFILES[h] for h in planned.hardware]},
        "models": {"sources": ["oci://registry.example.my/"], "requireDigest": True},
        "images": {"registries": ["registry.example.my/"], "requireDigest": True},
        "drift": {"action": "Evict", "gracePeriod": "60s", **({"limit": limit} if limit else {})},
    }
    meta = {"name": planned.name}
    return {"apiVersion": "daulat.dev/v1alpha1", "kind": "SovereigntyPolicy", "metadata": meta, "spec": spec}


def pod(planned: PlannedPod) -> Manifest:
    """Return a pod that is bound to its node, as one that is older than the policy."""
    made = unbound(planned.name, planned.policy, RESOURCES[planned.node.hardware] if planned.device else "")
    made["metadata"]["namespace"] = planned.namespace
    made["spec"]["nodeName"] = planned.node.name
    return made


def running(planned: PlannedPod, now: str) -> Manifest:
    """Return the status of the pod as its kubelet reports it once it serves."""
    number = int(planned.name.rpartition("-")[2])
    address = f"10.244.{number // 250}.{number % 250 + 1}"
    types = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "phase": "Running",
        "startTime": now,
        "conditions": [{"type": t, "status": "True", "lastTransitionTime": now} for t in types],
        "containerStatuses": [
            {
                "name": "engine",
                "image": pods.IMAGE,
                "imageID": pods.IMAGE,
                "containerID": f"containerd://{number:064x}",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
        ],
        "hostIP": "10.90.0.1",
        "hostIPs": [{"ip": "10.90.0.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
    }


def unbound(name: str, policy: PlannedPolicy, resource: str = "") -> Manifest:
    """Return a pod that the policy lets in, with one device of the resource, if one is named."""
    made = pods.large(policy.name)
    spec = made["spec"]
    engine = spec["containers"][0]
    spec |= {
        "containers": [engine],
        "initContainers": [],
        "terminationGracePeriodSeconds": 5,
        "topologySpreadConstraints": [],
    }
    spec["volumes"] = [
        {"name": "weights", "emptyDir": {}},
        {"name": "settings", "configMap": {"name": "engine-settings"}},
        {"name": "scratch-0", "emptyDir": {"sizeLimit": "10Gi"}},
    ]
    limits = {"cpu": "8", "memory": "64Gi", **({resource: "1"} if resource else {})}
    engine["resources"] = {"requests": limits, "limits": limits}
    made["metadata"] |= {"name": name, "namespace": policy.namespaces[1]}
    del made["metadata"]["generateName"]
    return made


def model(name: str, planned: PlannedPolicy) -> Manifest:
    """Return a model with one replica on one device, of each hardware that its policy allows."""
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereignModel",
        "metadata": {"name": name, "namespace": planned.namespaces[0]},
        "spec": {
            "model": {
                "name": name,
                "uri": f"oci://registry.example.my/models/{name}{DIGEST}",
                "developer": "deepseek-ai",
                "originCountry": "CN",
                "license": "MIT",
            },
            "accelerators": [{"profile": PROFILES[h], "count": 1, "image": IMAGE[h]} for h in planned.hardware],
            "replicas": 1,
        },
    }
