"""A screen leaves out no request that a control objects to, and lets a model's own pods through unjudged."""

from __future__ import annotations

import copy

import pytest

from daulat.admission.policy import compile_policy
from daulat.admission.screen import CONDITION
from daulat.catalog import accelerators, engines
from daulat.cel.evaluator import Request, evaluate, evaluate_all
from daulat.check.modelpods import render
from daulat.controls import library
from daulat.controls.library import Control, Example
from tests.corpus.case import Case
from tests.corpus.files import cases
from tests.corpus.offline import in_force, request
from tests.requests import EXAMPLES, NAMESPACE, merge, policy_of, profiles_of, request_of, unscreened, zones_of

SCREENED = [g.guard for g in library.guards().values() if g.screen]
REFUSED = [(c, e) for c, e in EXAMPLES if c.guard in SCREENED and e.violations]


@pytest.mark.parametrize(("control", "example"), REFUSED, ids=[f"{c.id}-{e.name}" for c, e in REFUSED])
def test_a_control_alone_is_asked_about_what_it_refuses(control: Control, example: Example) -> None:
    """Alone, so that no other control's suspicion lets the request through."""
    alone = dict.fromkeys(library.ids(), "Off") | {control.id: "Enforce"}
    spec = policy_of(example).model_copy(update={"controls": {}})
    spec = type(spec).model_validate(
        {**spec.model_dump(by_alias=True, exclude_none=True, mode="json"), "controls": alone}
    )
    compiled = compile_policy("confidential", spec, profiles_of(example.profiles), zones=zones_of(example))
    verdicts = evaluate_all(compiled.manifests, request_of(control, example))
    own = [m for m in example.violations if m.startswith(control.id)]
    assert sorted(m for v in verdicts for m in v.violations) == sorted(own)


@pytest.mark.parametrize("case", [c for c in cases() if c.guard in SCREENED], ids=lambda case: case.name)
def test_a_screen_changes_no_verdict_of_the_corpus(case: Case) -> None:
    policies = [m for m in in_force(case) if m["kind"] == "ValidatingAdmissionPolicy"]
    asked = request(case)
    for policy in policies:
        if any(c["name"] == CONDITION for c in policy["spec"].get("matchConditions", ())):
            assert evaluate(policy, asked) == evaluate(unscreened(policy), asked)


@pytest.mark.parametrize("engine", sorted(engines.shipped()))
def test_the_pods_of_a_model_are_not_even_suspicious(engine: str) -> None:
    """They are what is created most often."""
    example = Example(name="a model", policy={"engines": {"requireOffline": True}, "images": None})
    compiled = compile_policy("confidential", policy_of(example), profiles_of({}), zones=zones_of(example))
    guard = copy.deepcopy(next(m for m in compiled.refusing if m["metadata"]["name"] == "confidential.pods.daulat.dev"))
    guard["spec"]["validations"] = [{"expression": "false", "message": "judged"}]
    raw = merge(library.base()["objects"]["models"], {"spec": {"engine": {"name": engine}}})
    raw["spec"]["accelerators"] = [
        {"profile": n, "count": 1, "image": "registry.example.my/engine:1"}
        for n in ("huawei-ascend-910b", "nvidia-h20")
        if accelerators.shipped()[n].engine(engine)
    ]
    rendered = render(raw, NAMESPACE, ["confidential"], accelerators.shipped())
    assert rendered.pods, rendered
    for pod in rendered.pods:
        assert evaluate(guard, Request(object=pod.object, namespace=NAMESPACE)).allowed, pod.object
