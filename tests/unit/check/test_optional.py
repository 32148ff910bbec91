"""A field that is left out never keeps a policy from being evaluated, in a pod or in a template of another project's kind.

Nor does one that is null, as Helm renders a value that isn't set: it is judged as if it were left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from daulat.check.governance import Namespaces
from daulat.check.judge import Judge
from daulat.check.run import Run
from daulat.manifest.document import Document, from_api

from .scene import GOOD, NOW, OPTIONS, Raw, namespace, owner, policy

CONTAINER: Raw = {
    "name": "main",
    "image": GOOD,
    "command": ["sh", "-c"],
    "args": ["vllm serve /models $(A)"],
    "env": [
        {"name": "A", "value": "b"},
        {"name": "HF_ENDPOINT", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "PYTHONPATH", "value": "/code"},
    ],
    "envFrom": [{"prefix": "X_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}],
    "resources": {
        "limits": {"nvidia.com/gpu": 1, "cpu": 1},
        "requests": {"cpu": 1},
        "claims": [{"name": "gpu", "request": "r"}],
    },
    "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
    "volumeMounts": [{"name": "data", "mountPath": "/code", "subPath": "x"}],
    "securityContext": {
        "privileged": False,
        "capabilities": {"add": ["NET_RAW"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "livenessProbe": {"httpGet": {"path": "/", "port": 1, "host": "h"}},
    "lifecycle": {"preStop": {"exec": {"command": ["a"]}}},
}
POD: Raw = {
    "containers": [CONTAINER],
    "initContainers": [{**CONTAINER, "name": "init"}],
    "ephemeralContainers": [{**CONTAINER, "name": "look", "targetContainerName": "main"}],
    "nodeSelector": {"a": "b"},
    "affinity": {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": []}]}}
    },
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
    "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
        {"name": "host", "hostPath": {"path": "/x", "type": "Directory"}},
        {"name": "csi", "csi": {"driver": "d", "volumeAttributes": {"a": "b"}}},
        {
            "name": "all",
            "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"configMap": {"name": "c"}}]},
        },
        {"name": "weights", "image": {"reference": GOOD}},
        {
            "name": "own",
            "ephemeral": {"volumeClaimTemplate": {"metadata": {}, "spec": {"storageClassName": "encrypted"}}},
        },
        {"name": "empty", "emptyDir": {"medium": "Memory"}},
    ],
    "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}, {"name": "other", "resourceClaimName": "c"}],
    "resources": {"limits": {"nvidia.com/gpu": 1}, "requests": {"nvidia.com/gpu": 1}},
    "hostNetwork": True,
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
    "runtimeClassName": "nvidia",
    "schedulerName": "default-scheduler",
    "serviceAccountName": "default",
    "securityContext": {
        "sysctls": [{"name": "a", "value": "b"}],
        "seLinuxOptions": {"type": "t"},
        "supplementalGroups": [1],
    },
    "imagePullSecrets": [{"name": "s"}],
    "dnsConfig": {"nameservers": ["10.0.0.1"], "searches": ["a"], "options": [{"name": "n", "value": "1"}]},
    "overhead": {"cpu": 1},
}
METADATA: Raw = {"labels": {"a": "b"}, "annotations": {"c": "d", "nvidia.com/use-gpuuuid": "x"}}


Change = Callable[[Any, Any], Any]
"""Takes an object or a list, and the key of what is changed in it; None where that isn't to be changed."""


def each_changed(value: Any, change: Change, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the value with a change to each of its fields and items in turn, with the name of what is changed."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        at = f"{where}.{key}"
        if (changed := change(value, key)) is not None:
            yield at, changed
        for below, inner in each_changed(item, change, at):
            yield below, {**value, key: inner} if isinstance(value, dict) else [*value[:key], inner, *value[key + 1 :]]


def left_out(value: Any, key: Any) -> Any:
    return (
        {k: v for k, v in value.items() if k != key} if isinstance(value, dict) else [*value[:key], *value[key + 1 :]]
    )


def null(value: Any, key: Any) -> Any:
    return {**value, key: None} if isinstance(value, dict) else None


@cache
def judge() -> Judge:
    full = policy(
        storage={"storageClasses": ["encrypted"]},
        egress={"allow": []},
        exposure={"gatewayClasses": []},
        engines={"requireOffline": True},
        models={"sources": ["oci://registry.example.my/"], "licenses": ["MIT"]},
        images={"registries": ["registry.example.my/"], "requireDigest": True},
    )
    run = Run()
    run.judge_by([from_api(full), from_api(namespace())])
    policies, problems = run.inventory.compiled(NOW, OPTIONS.cluster)
    assert problems == []
    return Judge(policies, run.inventory.known_profiles, Namespaces(run.inventory.namespaces), OPTIONS)


def unevaluated(raw: Raw) -> list[str]:
    document: Document = from_api(raw)
    return [f.message for f in judge().judge(document).findings if f.unevaluated]


def verdict(raw: Raw) -> tuple[Any, ...]:
    judged = judge().judge(from_api(raw))
    return judged.findings, judged.notes


def as_pod(spec: Raw) -> Raw:
    metadata = {"name": "p", "namespace": "treasury", **METADATA}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def as_deployment(spec: Raw) -> Raw:
    return owner("apps/v1", "Deployment", {"template": {"metadata": METADATA, "spec": spec}})


def as_service(spec: Raw) -> Raw:
    return owner("serving.knative.dev/v1", "Service", {"template": {"metadata": METADATA, "spec": spec}})


WITHOUT = dict(each_changed(POD, left_out))


@pytest.mark.parametrize("made", [as_pod, as_service])
def test_a_pod_and_a_template_can_be_judged_without_any_one_of_their_fields(made: Callable[[Raw], Raw]) -> None:
    assert {where: found for where, spec in WITHOUT.items() if (found := unevaluated(made(spec)))} == {}


@pytest.mark.parametrize("made", [as_pod, as_deployment, as_service])
def test_a_field_that_is_null_is_judged_as_one_that_is_left_out(made: Callable[[Raw], Raw]) -> None:
    nulls = dict(each_changed(POD, null))
    assert len(nulls) > 100
    assert [where for where, spec in nulls.items() if verdict(made(spec)) != verdict(made(WITHOUT[where]))] == []


@pytest.mark.parametrize("keep", [["image"], ["name"], ["image", "env"], ["image", "volumeMounts"], ["image", "ports"]])
def test_a_template_can_be_judged_with_hardly_anything_in_it(keep: list[str]) -> None:
    container = {key: CONTAINER[key] for key in keep}
    assert unevaluated(owner("example.my/v1", "Anything", {"template": {"spec": {"containers": [container]}}})) == []
