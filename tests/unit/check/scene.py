"""A policy and its namespaces, and the objects that tests have judged under it."""

from __future__ import annotations

import json
from typing import Any

from daulat.check.judge import Options
from daulat.check.report import Judged
from daulat.check.run import Run

Raw = dict[str, Any]
GOOD = "registry.example.my/vllm@sha256:" + "2b" * 32
BAD = "docker.io/evil:latest"
NOW = 1_790_000_000.0
OPTIONS = Options(created="2026-09-21T13:33:20Z")


def policy(name: str = "confidential", **spec: Any) -> Raw:
    """Return a policy that governs confidential namespaces."""
    body = {
        "namespaceSelector": {"matchLabels": {"daulat.dev/data-class": "confidential"}},
        "zones": {"countries": ["MY"]},
        "accelerators": {"profiles": ["huawei-ascend-910b", "nvidia-h20"]},
        "images": {"registries": ["registry.example.my/"]},
    }
    return {**_head("daulat.dev/v1alpha1", "SovereigntyPolicy", name), "spec": {**body, **spec}}


def namespace(name: str = "treasury", **labels: str) -> Raw:
    """Return a confidential namespace, or one with other labels."""
    made = _head("v1", "Namespace", name)
    made["metadata"]["labels"] = labels or {"daulat.dev/data-class": "confidential"}
    return made


def exemption(name: str = "e", **spec: Any) -> Raw:
    """Return an approved exemption from SUP-01 in the governed namespace."""
    body = {
        "policy": "confidential",
        "controls": ["SUP-01"],
        "namespaces": ["treasury"],
        "reason": "The mirror has tags only.",
        "requestedBy": "alice",
        "expiresAt": "2099-01-31T00:00:00Z",
    }
    return {**_head("daulat.dev/v1alpha1", "SovereigntyExemption", name), "spec": {**body, **spec}}


def pod(image: str = GOOD, name: str = "p", namespace: str | None = "treasury", **spec: Any) -> Raw:
    """Return a pod with one container."""
    made = _head("v1", "Pod", name)
    if namespace is not None:
        made["metadata"]["namespace"] = namespace
    return {**made, "spec": {"containers": [{"name": "main", "image": image}], **spec}}


def owner(api_version: str, kind: str, spec: Raw) -> Raw:
    """Return an object that makes pods."""
    made = _head(api_version, kind, "owner")
    made["metadata"]["namespace"] = "treasury"
    return {**made, "spec": spec}


def template(image: str = BAD) -> Raw:
    """Return a pod template."""
    return {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": image}]}}


def judged(*objects: Raw, options: Options = OPTIONS, by: tuple[Raw, ...] | None = None) -> list[Judged]:
    """Return what comes of the objects, by one policy and its namespace where no others are given."""
    run = Run()
    for n, each in enumerate((policy(), namespace()) if by is None else by):
        run.add(json.dumps(each, indent=1).encode(), f"by-{n}.json", judged=False)
    for n, each in enumerate(objects):
        run.add(json.dumps(each, indent=1).encode(), f"object-{n}.json")
    found = list(run.judge(options, NOW))
    assert run.problems == []
    return found


def problems(*objects: Raw) -> list[str]:
    """Return what is wrong with the input."""
    run = Run()
    for n, each in enumerate(objects):
        run.add(json.dumps(each, indent=1).encode(), f"object-{n}.json")
    list(run.judge(OPTIONS, NOW))
    return [str(p) for p in run.problems]


def controls(found: Judged) -> list[str]:
    """Return the ids of the controls that an object breaks."""
    return [f.control for f in found.findings]


def _head(api_version: str, kind: str, name: str) -> Raw:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}
