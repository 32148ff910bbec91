"""The guard that all policies share says of every set of labels what the policies' selectors say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.admission.ungoverned import DATA_CLASS, UNGOVERNED, UNGOVERNED_MODELS, compile_ungoverned
from daulat.api.frozen import FrozenDict
from daulat.api.meta import LabelSelector
from daulat.cel.evaluator import Request, Verdict, evaluate

KEYS, VALUES = st.sampled_from([DATA_CLASS, "team", "example.my/a"]), st.sampled_from(["a", "b", ""])
LABELS = st.dictionaries(KEYS, VALUES)
LISTED = st.lists(VALUES, min_size=1, max_size=2)
EXPRESSION = st.one_of(
    st.builds(lambda k, o, v: {"key": k, "operator": o, "values": v}, KEYS, st.sampled_from(["In", "NotIn"]), LISTED),
    st.builds(lambda k, o: {"key": k, "operator": o}, KEYS, st.sampled_from(["Exists", "DoesNotExist"])),
)
SELECTOR = st.builds(
    lambda labels, expressions: LabelSelector.model_validate({"matchLabels": labels, "matchExpressions": expressions}),
    LABELS,
    st.lists(EXPRESSION, max_size=2),
)


def selector(**spec: Any) -> LabelSelector:
    return LabelSelector.model_validate(spec)


CONFIDENTIAL = selector(matchLabels={DATA_CLASS: "confidential"})


def verdict(selectors: list[LabelSelector], labels: dict[str, str], **changes: Any) -> Verdict:
    pod = {"metadata": {"name": "p", **changes.pop("metadata", {})}, "spec": {"containers": [{"name": "c"}]}}
    namespace = {"metadata": {"name": "treasury", "labels": labels}}
    request = Request(object=pod, namespace="treasury", namespace_object=namespace, **changes)
    return evaluate(compile_ungoverned(selectors)[1], request)


@settings(max_examples=200)
@given(st.lists(SELECTOR, max_size=3), LABELS)
def test_it_refuses_exactly_what_has_a_class_and_no_policy(
    selectors: list[LabelSelector], labels: dict[str, str]
) -> None:
    found = verdict(selectors, labels)
    assert not found.error
    assert found.allowed == (DATA_CLASS not in labels or any(s.matches(labels) for s in selectors))


def test_the_order_of_policies_makes_no_difference() -> None:
    other = selector(matchExpressions=[{"key": DATA_CLASS, "operator": "In", "values": ["b", "a"]}])
    one, two = compile_ungoverned([CONFIDENTIAL, other]), compile_ungoverned([other, CONFIDENTIAL, other])
    assert json.dumps(one) == json.dumps(two)


def test_without_any_policy_a_class_closes_its_namespace() -> None:
    assert not verdict([], {DATA_CLASS: "public"}).allowed
    assert verdict([], {"team": "ml"}).allowed


def test_names_in_selectors_are_text_and_nothing_else() -> None:
    odd = LabelSelector.model_construct(match_labels=FrozenDict({'x" in {} || true || "': "a"}), match_expressions=None)
    assert not verdict([odd], {DATA_CLASS: "a"}).allowed


@pytest.mark.parametrize(
    ("asks", "dry_run", "allowed"),
    [
        ("confidential", True, True),
        ("confidential", False, False),
        ("daulat.dev/ungoverned", True, False),
    ],
)
def test_the_canary_of_a_policy_is_left_to_that_policy(asks: str, dry_run: bool, allowed: bool) -> None:
    annotations = {"annotations": {"daulat.dev/canary": asks}}
    found = verdict([], {DATA_CLASS: "confidential"}, metadata=annotations, dry_run=dry_run)
    assert found.allowed is allowed


def test_the_protected_namespaces_are_left_alone() -> None:
    bindings = compile_ungoverned([], ("kube-system", "daulat-system"))[::2]
    for binding in bindings:
        (_, names) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
        assert names["values"] == ["daulat-system", "kube-system"]
    actions = {b["spec"]["policyName"]: b["spec"]["validationActions"] for b in bindings}
    assert actions == {UNGOVERNED: ["Deny"], UNGOVERNED_MODELS: ["Warn", "Audit"]}


def test_three_hundred_policies_stay_within_an_expressions_size() -> None:
    many = [selector(matchLabels={DATA_CLASS: f"{'c' * 55}-{n:04}"}) for n in range(300)]
    governed = next(v for v in compile_ungoverned(many)[1]["spec"]["variables"] if v["name"] == "governed")
    assert len(governed["expression"]) < 100_000
    assert verdict(many, {DATA_CLASS: f"{'c' * 55}-0299"}).allowed
