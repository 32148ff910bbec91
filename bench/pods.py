"""The objects that are measured: pods of 1 KB as files hold them, and pods of 7 KB as the API server gets them."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
NAMESPACE = "treasury"
REGISTRY = "registry.example.my/"
IMAGE = f"{REGISTRY}serving/vllm-openai@sha256:" + "2b" * 32
PIN = "daulat.node-restriction.kubernetes.io/"
RULES = ("host-path", "node-name", "registry", "digest")
VIOLATING_EVERY = 20


def violations(count: int) -> frozenset[tuple[str, str]]:
    """Return the truth about a file of so many pods: which pod breaks which rule."""
    return frozenset((_name(number), rule) for number in range(count) if (rule := _broken(number)))


def write(file: Path, count: int, policy: str) -> None:
    """Write so many pods of about 1 KB of YAML each; every twentieth breaks one rule, in turn. A single pod is fine."""
    with file.open("w") as output:
        for number in range(count):
            pod = _small(number, policy)
            if rule := _broken(number):
                _break(pod["spec"], rule, number)
            output.write("---\n")
            yaml.dump(pod, output, Dumper=_DUMPER, sort_keys=False)


def _name(number: int) -> str:
    return f"pod-{number:06d}"


def _broken(number: int) -> str:
    turn, place = divmod(number, VIOLATING_EVERY)
    return RULES[turn % len(RULES)] if place == VIOLATING_EVERY - 1 else ""


_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _break(spec: Manifest, rule: str, number: int) -> None:
    container = spec["containers"][0]
    if rule == "host-path":
        spec["volumes"].append({"name": "devices", "hostPath": {"path": f"/dev/davinci{number % 8}"}})
    elif rule == "node-name":
        spec["nodeName"] = f"gpu-{number % 64}"
    elif rule == "registry":
        container["image"] = "docker.io/vllm/vllm-openai@sha256:" + "3c" * 32
    else:
        container["image"] = f"{REGISTRY}serving/vllm-openai:v0.{number % 30}.0"


def _small(number: int, policy: str) -> Manifest:
    app = f"chat-{number % 97}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": _name(number),
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/name": app, "app.kubernetes.io/instance": f"{app}-{number}", "team": "ml"},
        },
        "spec": {
            "nodeSelector": {f"{PIN}{policy}": "eligible"},
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "main",
                    "image": IMAGE,
                    "args": ["--model", f"/weights/model-{number}", "--port", "8000", "--max-model-len", "32768"],
                    "ports": [{"name": "http", "containerPort": 8000}],
                    "env": [{"name": "REPLICA", "value": str(number)}, {"name": "LOG_LEVEL", "value": "info"}],
                    "resources": {
                        "requests": {"cpu": "4", "memory": "32Gi"},
                        "limits": {"memory": "32Gi", "nvidia.com/gpu": "1"},
                    },
                    "volumeMounts": [
                        {"name": "weights", "mountPath": "/weights", "readOnly": True},
                        {"name": "cache", "mountPath": "/cache"},
                    ],
                }
            ],
            "volumes": [
                {"name": "weights", "persistentVolumeClaim": {"claimName": f"weights-{number % 11}"}},
                {"name": "cache", "emptyDir": {"sizeLimit": "20Gi"}},
            ],
        },
    }


def large(policy: str = "") -> Manifest:
    """Return a pod of about 7 KB of JSON, such as an inference engine with sidecars has; pinned where a policy is given."""
    spec: Manifest = {
        "serviceAccountName": "default",
        "terminationGracePeriodSeconds": 120,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [_container("fetch", 8, device=False)],
        "containers": [
            _container("engine", 24, device=True),
            _container("router", 10, device=False),
            _container("metrics", 6, device=False),
        ],
        "volumes": [
            {"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}},
            {"name": "settings", "configMap": {"name": "engine-settings"}},
            {"name": "credentials", "secret": {"secretName": "registry-credentials"}},
            *({"name": f"scratch-{n}", "emptyDir": {"sizeLimit": "10Gi"}} for n in range(3)),
        ],
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "example.my/dedicated", "operator": "Equal", "value": "inference", "effect": "NoSchedule"},
        ],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "chat"}},
            }
        ],
    }
    if policy:
        spec["nodeSelector"] = {f"{PIN}{policy}": "eligible"}
    metadata = {
        "generateName": "chat-",
        "labels": {f"example.my/label-{n}": f"value-{n}" for n in range(8)} | {"app.kubernetes.io/name": "chat"},
        "annotations": {f"example.my/annotation-{n}": "an ordinary annotation" for n in range(6)},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def refused(policy: str) -> Manifest:
    """Return the same pod with three things that a policy refuses."""
    pod = copy.deepcopy(large(policy))
    pod["spec"]["volumes"].append({"name": "devices", "hostPath": {"path": "/dev/davinci0"}})
    pod["spec"]["containers"][1]["image"] = "docker.io/library/nginx:latest"
    return pod


def _container(name: str, variables: int, *, device: bool) -> Manifest:
    environment: list[Manifest] = [
        {"name": f"{name.upper()}_SETTING_{n}", "value": f"value-{n}"} for n in range(variables)
    ]
    environment.append({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})
    limits = {"cpu": "8", "memory": "64Gi"} | ({"nvidia.com/gpu": "4"} if device else {})
    probe = {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 10, "failureThreshold": 6}
    return {
        "name": name,
        "image": IMAGE,
        "command": ["python3", "-m", f"example.{name}"],
        "args": ["--model", "/weights", "--port", "8000", "--max-model-len", "32768", "--served-model-name", "chat"],
        "env": environment,
        "ports": [{"name": f"{name[:10]}-http", "containerPort": 8000}],
        "resources": {"requests": limits, "limits": limits},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "weights", "mountPath": "/weights", "readOnly": True},
            {"name": "settings", "mountPath": "/etc/engine"},
            {"name": "scratch-0", "mountPath": "/tmp"},  # noqa: S108 - a path in a container
        ],
        **({"readinessProbe": probe, "livenessProbe": probe} if name != "fetch" else {}),
    }


if __name__ == "__main__":
    write(Path(sys.argv[3]), int(sys.argv[1]), sys.argv[2])
