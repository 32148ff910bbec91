"""The admission policies of a compiled policy: what validates, and the pin that changes a pod before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from daulat.admission.policy import CompiledPolicy
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.names import ELIGIBLE, eligible_label
from daulat.cel.evaluator import Request, evaluate, matches_resource
from daulat.facts.child import namespace_selector

_ACTIONS = {"Deny": "Enforce", "Warn": "Warn", "Audit": "Audit"}
_REFUSE = {"expression": "false", "messageExpression": "'refused'", "message": "refused"}


@dataclass(frozen=True)
class Rule:
    """One admission policy, with its binding's action and the SovereigntyPolicy that it is compiled from."""

    manifest: Manifest
    action: str
    policy: str


@dataclass(frozen=True)
class JudgingPolicy:
    """A compiled policy: the namespaces that it governs, its rules, and its pin."""

    name: str
    selector: LabelSelector
    rules: tuple[Rule, ...]
    pin: Manifest | None
    """A mutating policy that does what the pin does."""


def judging_policy(compiled: CompiledPolicy) -> JudgingPolicy:
    """Return what judges by a compiled policy."""
    pin = {"spec": compiled.pin_spec} if compiled.pin_spec is not None else None
    return JudgingPolicy(compiled.name, _selector(compiled.manifests), rules_of(compiled.name, compiled.manifests), pin)


def _selector(manifests: Sequence[Manifest]) -> LabelSelector:
    """Return which namespaces the policy governs: every binding of a policy selects the same."""
    found = (namespace_selector(m) for m in manifests if m["kind"].endswith("Binding"))
    return next((selector for selector in found if selector is not None), LabelSelector())


def rules_of(policy: str, manifests: Sequence[Manifest]) -> tuple[Rule, ...]:
    """Return the validating policies among the manifests, each with its binding's action."""
    actions = {
        m["spec"]["policyName"]: _ACTIONS[m["spec"]["validationActions"][0]]
        for m in manifests
        if m["kind"] == "ValidatingAdmissionPolicyBinding"
    }
    return tuple(
        Rule(m, actions[m["metadata"]["name"]], policy) for m in manifests if m["kind"] == "ValidatingAdmissionPolicy"
    )


def pinned(request: Request, policies: Sequence[JudgingPolicy]) -> Request:
    """Return the request as the policies' pins change it."""
    if request.object is None:
        return request
    for policy in policies:
        if policy.pin is None or not matches_resource(policy.pin, request):
            continue
        changed = _with_pin(request.object, eligible_label(policy.name))
        if changed is not None and _applies(policy.pin, request):
            request = replace(request, object=changed)
    return request


def _with_pin(pod: Manifest, label: str) -> Manifest | None:
    """Return the pod as the pin's patch leaves it, or None where that changes nothing or can't be done."""
    spec = pod.get("spec")
    selector = (spec.get("nodeSelector") or {}) if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(selector, dict) or label in selector:
        return None
    return {**pod, "spec": {**spec, "nodeSelector": {**selector, label: ELIGIBLE}}}


def _applies(pin: Manifest, request: Request) -> bool:
    """Say whether all of a mutating policy's conditions hold, by a validating policy that refuses if they do."""
    probe = {"spec": {"matchConditions": pin["spec"]["matchConditions"], "validations": [_REFUSE]}}
    verdict = evaluate(probe, request)
    return not verdict.allowed and not verdict.error
