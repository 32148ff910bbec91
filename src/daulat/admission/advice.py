"""Compiles the warning that a policy gives at `kubectl apply`: that no node eligible under it has any accelerator a model asks for.

It never refuses: it warns, and where it can't be evaluated it says nothing. Nor does it warn of a model that the policy refuses:
what never runs waits for nothing. It depends on the nodes there are, so it is no part of what a policy compiles to: neither of its
revision nor of what `daulat compile` prints.
"""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.names import MANAGED_BY

from . import validating
from .cluster import manifest
from .literals import literal
from .policy import PROTECTED_NAMESPACES, CompiledPolicy, namespace_selector, validating_name

SUFFIX = ".advice.daulat.dev"
Variable = tuple[str, str]
"""A variable of an admission policy: its name and its expression."""


def advice_name(policy: str) -> str:
    """Return the name of a policy's warning."""
    return f"{policy}{SUFFIX}"


def compile_advice(
    policy: str,
    selector: LabelSelector,
    there: Sequence[str],
    eligible: bool,
    protected: Sequence[str] = PROTECTED_NAMESPACES,
    refusal: Sequence[Variable] = (),
) -> list[Manifest]:
    """Return the manifests, the same bytes for the same facts.

    ``there`` are the profiles of which some node eligible under the policy has a device, and ``eligible`` says whether there is any
    such node. ``refusal`` are the variables by which the policy refuses a model, as ``refusal_of`` returns them.
    """
    name = advice_name(policy)
    binding = {
        "policyName": name,
        "matchResources": validating.where(namespace_selector(selector, protected)),
        "validationActions": ["Warn"],
    }
    found = [
        manifest("ValidatingAdmissionPolicyBinding", name, binding),
        manifest("ValidatingAdmissionPolicy", name, _spec(policy, sorted(there), eligible, refusal)),
    ]
    for one in found:
        one["metadata"]["labels"][MANAGED_BY] = "daulat"
    return found


def refusal_of(compiled: CompiledPolicy) -> tuple[Variable, ...]:
    """Return the variables by which a compiled policy refuses models, ``violations`` the last; none where it only warns."""
    name = validating_name(compiled.name, "models", "Enforce")
    found = next((m for m in compiled.refusing if m["metadata"]["name"] == name), None)
    variables = found["spec"]["variables"] if found is not None else []
    return tuple((v["name"], v["expression"]) for v in variables if v["name"] != "text")


def _spec(policy: str, there: Sequence[str], eligible: bool, refusal: Sequence[Variable]) -> Manifest:
    if there:
        have = f"the nodes that are eligible under policy {policy} have {', '.join(there)}"
        then = "The model waits until an eligible node has that accelerator; list one that these nodes have."
    elif eligible:
        have = f"no node that is eligible under policy {policy} has an approved accelerator"
        then = "It waits until one has."
    else:
        have, then = f"no node is eligible under policy {policy}", "It waits until one is."
    has_some = f"object.spec.accelerators.exists(a, a.profile in {literal(there)})" if there else "false"
    asked = "object.spec.accelerators.map(a, a.profile).join(', ')"
    return {
        # What can't be told needn't be: a warning is never worth a refusal.
        "failurePolicy": "Ignore",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [
                {
                    "apiGroups": ["daulat.dev"],
                    "apiVersions": ["v1alpha1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["sovereignmodels"],
                    "scope": "*",
                }
            ],
        },
        "matchConditions": [
            {
                "name": "accelerators-change",
                "expression": (
                    "request.operation != 'UPDATE' || object.spec.accelerators != oldObject.spec.accelerators"
                ),
            }
        ],
        **({"variables": [{"name": n, "expression": e} for n, e in refusal]} if refusal else {}),
        "validations": [
            {
                "expression": f"size(variables.violations) > 0 || {has_some}" if refusal else has_some,
                "messageExpression": (
                    f"'spec.accelerators: ' + {asked} + ' was requested; ' + {literal(f'{have} now. {then}')}"
                ),
                "message": f"spec.accelerators: {have} now. {then}",
                "reason": "Invalid",
            }
        ],
    }
