"""A network policy that can select a model's pod and lets something through is refused, whatever its selector looks like."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.admission.policy import compile_policy
from daulat.api.policy import SovereigntyPolicySpec
from daulat.cel.evaluator import Request, evaluate_all
from daulat.controls import library

Manifest = dict[str, Any]
MODEL = {
    "app.kubernetes.io/name": "sovereignmodel",
    "app.kubernetes.io/managed-by": "daulat",
    "app.kubernetes.io/part-of": "daulat",
    "daulat.dev/model": "r1",
}
"""What the operator gives every pod of a model."""
OTHERS = {
    "pod-template-hash": "a",
    "controller-revision-hash": "a",
    "daulat.dev/role": "leader",
    "example.com/team": "a",
    "topology.kubernetes.io/zone": "a",
    "app": "a",
    "app.kubernetes.io/component": "a",
}
GIVEN = (
    "pod-template-hash",
    "controller-revision-hash",
    "daulat.dev/role",
    "example.com/team",
    "topology.kubernetes.io/zone",
)
"""What others than tenants may give such a pod besides, each or none."""
KEYS = st.sampled_from(sorted({**MODEL, **OTHERS}))
VALUES = st.sampled_from(["sovereignmodel", "daulat", "r1", "leader", "a", "b"])


@st.composite
def expressions(draw: st.DrawFn) -> Manifest:
    operator = draw(st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]))
    values = {"values": draw(st.lists(VALUES, min_size=1, max_size=3))} if operator in ("In", "NotIn") else {}
    return {"key": draw(KEYS), "operator": operator, **values}


@st.composite
def selectors(draw: st.DrawFn) -> Manifest:
    found: Manifest = {}
    if draw(st.booleans()):
        found["matchLabels"] = draw(st.dictionaries(KEYS, VALUES, max_size=2))
    if draw(st.booleans()):
        found["matchExpressions"] = draw(st.lists(expressions(), max_size=2))
    return found


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Say what the API server says: every part of a selector has to hold."""

    def holds(expression: Manifest) -> bool:
        key: str = expression["key"]
        values: list[str] = expression.get("values", [])
        if expression["operator"] == "In":
            return key in labels and labels[key] in values
        if expression["operator"] == "NotIn":
            return labels.get(key) not in values
        wanted: bool = expression["operator"] == "Exists"
        return (key in labels) == wanted

    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return equal and all(map(holds, selector.get("matchExpressions", [])))


@cache
def policies() -> tuple[Manifest, ...]:
    """Return what a policy without an egress section compiles to."""
    spec = SovereigntyPolicySpec.model_validate({k: v for k, v in library.base()["policy"].items() if k != "egress"})
    return compile_policy("confidential", spec, {}).manifests


def refused(selector: Manifest, **rules: Any) -> bool:
    manifest = {**library.base()["objects"]["networkpolicies"], "spec": {"podSelector": selector, **rules}}
    request = Request(object=manifest, resource="networkpolicies", group="networking.k8s.io", namespace="treasury")
    return bool(evaluate_all(policies(), request))


def test_a_policy_that_can_select_a_models_pod_opens_nothing() -> None:
    seen = Counter[str]()

    @settings(max_examples=400)
    @given(selectors(), st.sets(st.sampled_from(GIVEN)), st.sampled_from(["ingress", "egress"]))
    def judge(selector: Manifest, more: set[str], direction: str) -> None:
        selected = selects(selector, {**MODEL, **{key: OTHERS[key] for key in more}})
        seen["selected" if selected else "other"] += 1
        if selected:
            assert refused(selector, **{direction: [{}]})
            assert not refused(selector, policyTypes=["Ingress", "Egress"])

    judge()
    assert min(seen["selected"], seen["other"]) > sum(seen.values()) / 10, seen


def test_a_policy_that_requires_a_tenants_own_label_is_taken() -> None:
    @settings(max_examples=100)
    @given(selectors(), VALUES, st.sampled_from(["app", "app.kubernetes.io/component"]))
    def judge(selector: Manifest, value: str, key: str) -> None:
        mine = {**selector, "matchLabels": {**selector.get("matchLabels", {}), key: value}}
        assert not refused(mine, ingress=[{}], egress=[{}])

    judge()
