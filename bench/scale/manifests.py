"""The cluster and the models that are placed at scale: 200 nodes with 10,000 devices of two makers in two zones."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "dev" / "scenarios" / "demo.yaml"
POLICY = ROOT / "examples" / "policy.yaml"
NODES_A_GROUP = 50
NAMESPACES = ("serve-a", "serve-b", "serve-c", "serve-d")
SITES = ("cyberjaya-1", "kulai-1")
RESOURCES = {"huawei-ascend-910b": "huawei.com/Ascend910", "nvidia-h20": "nvidia.com/gpu"}
PLAIN = "bench.daulat.dev/plain"
"""The label of what is made without the operator."""
DIGEST = "@sha256:" + "2b" * 32
COUNTS = (2, 4, 8, 16)
"""Devices of the first preference; of the second, half as many."""
REPLICAS = (1, 2, 3)


def scenario(devices: int) -> Manifest:
    """Return two zones, each with as many Ascend as NVIDIA nodes, with so many devices in all."""
    raw: Manifest = yaml.safe_load(SCENARIO.read_text())
    each, rest = divmod(devices, 4 * NODES_A_GROUP)
    if rest or not each:
        raise ValueError(f"{devices} devices can't be divided between {4 * NODES_A_GROUP} nodes")
    (zone,) = [z for z in raw["zones"] if z["name"] == "cyberjaya-1"]
    zones, nodes = [], []
    hardware = {name: raw["hardware"][name] for name in ("atlas-800-a2", "hgx-h20")}
    for name, resource in zip(hardware, RESOURCES.values(), strict=True):
        hardware[name]["allocatable"] |= {resource: each, "cpu": 1000, "memory": "16Ti"}
    for site in SITES:
        selector = {"matchLabels": {"daulat.node-restriction.kubernetes.io/site": site}}
        zones.append({"name": site, "spec": {**zone["spec"], "nodeSelector": selector}})
        nodes += [
            {"name": f"{kind}-{site}", "count": NODES_A_GROUP, "hardware": kind, "site": site} for kind in hardware
        ]
    return {"hardware": hardware, "zones": zones, "nodes": nodes}


def zone_of(node: str) -> str:
    """Return where a node stands, by its name."""
    return next(site for site in SITES if f"-{site}-" in node)


def policy() -> Manifest:
    """Return the policy of the examples, with NVIDIA H20 and Ascend 910B approved."""
    found: Manifest = yaml.safe_load(POLICY.read_text())
    return found


def namespaces() -> list[Manifest]:
    """Return the namespaces that the policy governs."""
    labels = {"daulat.dev/data-class": "confidential"}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": labels}} for n in NAMESPACES]


def models(number: int) -> list[Manifest]:
    """Return so many models of mixed sizes, each for Ascend first and then for H20."""
    sizes = itertools.cycle(itertools.product(COUNTS, REPLICAS))
    return [_model(n, count, replicas) for n, (count, replicas) in zip(range(number), sizes, strict=False)]


def _model(number: int, count: int, replicas: int) -> Manifest:
    name = f"model-{number:04d}"
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereignModel",
        "metadata": {"name": name, "namespace": NAMESPACES[number % len(NAMESPACES)]},
        "spec": {
            "model": {
                "name": name,
                "uri": f"oci://registry.example.my/models/{name}{DIGEST}",
                "developer": "deepseek-ai",
                "originCountry": "CN",
                "license": "MIT",
            },
            "accelerators": [
                {
                    "profile": "huawei-ascend-910b",
                    "count": count,
                    "image": f"registry.example.my/ascend/vllm-ascend{DIGEST}",
                },
                {
                    "profile": "nvidia-h20",
                    "count": count // 2,
                    "image": f"registry.example.my/vllm/vllm-openai{DIGEST}",
                },
            ],
            "replicas": replicas,
        },
    }


def plain(deployment: Manifest) -> Manifest:
    """Return the same Deployment without the operator's labels: same replicas, pods and devices."""
    spec = deployment["spec"]
    name, namespace = (deployment["metadata"][key] for key in ("name", "namespace"))
    labels = {PLAIN: name}
    template = spec["template"]
    pod = {**template["spec"], "serviceAccountName": "default"}
    pod.pop("serviceAccount", None)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            **{key: spec[key] for key in ("replicas", "strategy", "progressDeadlineSeconds", "revisionHistoryLimit")},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def beside(model: Manifest) -> list[Manifest]:
    """Return the other objects that the operator creates for a model, for use with a plain Deployment."""
    meta = {key: model["metadata"][key] for key in ("name", "namespace")}
    labels = {PLAIN: meta["name"]}
    metadata = {**meta, "labels": labels}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata,
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata,
            "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"]},
        },
    ]
