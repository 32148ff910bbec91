"""However an expression is worked out, the verdict is that of the plainest evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from daulat.api.kinds import Manifest
from daulat.cel.evaluator import Request, evaluate, matches_resource
from daulat.controls.library import Control, Example
from tests.requests import EXAMPLES, IDS, manifests_of, request_of
from tests.strategies import TEXT

from .reference import refused

DIGEST = "@sha256:" + "0" * 64
IMAGES = (
    st.sampled_from([f"registry.example.my/vllm{DIGEST}", "vllm/vllm:v1", f"x{DIGEST} ", DIGEST + "\n", "é"]) | TEXT
)
NAMES = st.sampled_from(["main", "NVIDIA_VISIBLE_DEVICES", "HF_ENDPOINT", "DO_NOT_TRACK", "nvidia.com/gpu"]) | TEXT
VALUES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXT | st.sampled_from(["void", "1", "--trust-r"])


def objects(
    required: Mapping[str, st.SearchStrategy[Any]] | None = None, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with the required fields, and perhaps the others, each of which may also be null."""
    return st.fixed_dictionaries(
        dict(required or {}), optional={name: st.none() | field for name, field in fields.items()}
    )


AMOUNTS = st.dictionaries(NAMES, st.sampled_from(["1", "500m", 2, 0.5, None]), max_size=2)
CONTAINERS = st.lists(
    objects(
        name=NAMES,
        image=IMAGES,
        env=st.lists(
            objects(name=NAMES, value=VALUES, valueFrom=objects(fieldRef=objects(fieldPath=TEXT))), max_size=3
        ),
        envFrom=st.lists(objects(prefix=NAMES), max_size=2),
        args=st.lists(VALUES, max_size=3),
        resources=objects(limits=AMOUNTS, requests=AMOUNTS),
        securityContext=objects(privileged=VALUES, capabilities=objects(add=st.lists(NAMES, max_size=2))),
        ports=st.lists(objects(hostPort=st.integers(0, 9)), max_size=2),
    ),
    max_size=3,
)
PODS = objects(
    {
        "metadata": objects(name=TEXT, annotations=st.dictionaries(NAMES, TEXT, max_size=2)),
        "spec": objects(
            {"containers": CONTAINERS},
            initContainers=CONTAINERS,
            volumes=st.lists(
                objects({"name": NAMES}, hostPath=objects(path=TEXT), image=objects(reference=IMAGES)), max_size=2
            ),
            nodeName=TEXT,
            nodeSelector=st.dictionaries(NAMES, st.sampled_from(["eligible", "no"]), max_size=2),
            hostPID=VALUES,
            runtimeClassName=st.sampled_from(["nvidia", "", "x"]),
        ),
    },
)


@cache
def policies() -> tuple[list[Manifest], Request]:
    """Return the whole library as the examples' policy compiles it, and a pod that breaks none of it."""
    control, example = next((c, e) for c, e in EXAMPLES if c.guard == "pods" and not e.violations)
    request = request_of(control, example)
    manifests = [m for m in manifests_of(control, example) if m["kind"] == "ValidatingAdmissionPolicy"]
    return [m for m in manifests if matches_resource(m, request)], request


@pytest.mark.parametrize(("control", "example"), EXAMPLES, ids=IDS)
def test_every_example_gets_the_plain_verdict(control: Control, example: Example) -> None:
    request = request_of(control, example)
    for policy in manifests_of(control, example):
        if policy["kind"] == "ValidatingAdmissionPolicy" and matches_resource(policy, request):
            verdict = evaluate(policy, request)
            assert (not verdict.allowed, tuple(sorted(verdict.violations))) == refused(policy, request), verdict.message


@settings(max_examples=150)
@given(PODS)
def test_every_pod_gets_the_plain_verdict(pod: dict[str, Any]) -> None:
    manifests, request = policies()
    asked = Request({"apiVersion": "v1", "kind": "Pod", **pod}, namespace=request.namespace)
    for policy in manifests:
        verdict = evaluate(policy, asked)
        event("an error" if verdict.error else f"{len(verdict.violations)} violations")
        assert (not verdict.allowed, tuple(sorted(verdict.violations))) == refused(policy, asked), verdict.message
