"""The anchor: one small static policy that keeps Daulat's admission policies in the API as the operator made them.

They stay dynamic, so the operator goes on updating them. Nobody else changes or deletes them, cluster admins neither: only who
may write the API server's files takes the anchor away. Static policies are the only ones that see requests for admission policies.
"""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.api.names import GROUP, MANAGED_BY, POLICY_LABEL

from .literals import literal
from .policy import ADMISSION
from .static import SUFFIX
from .validating import binding_spec

NAME = f"daulat-anchor{SUFFIX}"
OPERATOR = "system:serviceaccount:daulat-system:daulat"
"""The operator's user name, as the chart installs it."""
_POLICIES = (
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
)
_PARTS = ("labels", "annotations", "ownerReferences", "finalizers")


def anchor(users: Sequence[str] = (OPERATOR,)) -> list[Manifest]:
    """Return the policy and its binding. The users are those who may write; everybody else may read."""
    return [
        _manifest("ValidatingAdmissionPolicy", _spec(sorted({*users}))),
        _manifest("ValidatingAdmissionPolicyBinding", binding_spec(NAME, "Enforce", {})),
    ]


def _spec(users: Sequence[str]) -> Manifest:
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [
                _rule(ADMISSION.partition("/")[0], _POLICIES, ("CREATE", "UPDATE", "DELETE")),
                # With a kind gone its objects are gone, and the operator would take away what they compile to. A kind that
                # is missing can come back.
                _rule("apiextensions.k8s.io", ("customresourcedefinitions",), ("UPDATE", "DELETE")),
            ],
        },
        "matchConditions": [
            {"name": "others-ask", "expression": f"!(request.userInfo.username in {literal(users)})"},
            {"name": "about-what-is-daulats", "expression": f"{_ours('object')} || {_ours('oldObject')}"},
            # Storage version migration writes objects back as they are.
            {"name": "something-changes", "expression": _changes()},
        ],
        "variables": [
            # A deletion of a collection names no object in the request.
            {"name": "name", "expression": "oldObject != null ? oldObject.metadata.name : object.metadata.name"},
            {
                "name": "did",
                "expression": "{'CREATE': 'created', 'UPDATE': 'changed', 'DELETE': 'deleted'}[request.operation]",
            },
        ],
        "validations": [
            {
                "expression": "false",
                "messageExpression": (
                    "'MGD-08 metadata.name: user \"' + request.userInfo.username + '\" ' + variables.did + ' \"'"
                    " + variables.name + '\"; the anchor allows only '"
                    f" + {literal(', '.join(users))} + ' to change objects of Daulat. Change the SovereigntyPolicy"
                    f" instead, or remove the anchor from the control plane.'"
                ),
                "message": "MGD-08: only the operator changes objects of Daulat",
                "reason": "Forbidden",
            }
        ],
    }


def _rule(group: str, resources: Sequence[str], operations: Sequence[str]) -> Manifest:
    # Any version: what is looked at is metadata, which is the same in all of them.
    return {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": list(resources),
        "scope": "*",
    }


def _ours(thing: str) -> str:
    labels = f"{thing}.metadata.labels"
    return (
        f"({thing} != null && ({thing}.metadata.name.endsWith({literal('.' + GROUP)})"
        f" || (has({labels}) && ({literal(POLICY_LABEL)} in {labels}"
        f" || ({literal(MANAGED_BY)} in {labels} && {labels}[{literal(MANAGED_BY)}] == 'daulat')))))"
    )


def _changes() -> str:
    """Return CEL that is true unless an update leaves the spec and all that people write into metadata as they were."""
    same = " && ".join(
        f"(has(object.metadata.{part}) == has(oldObject.metadata.{part})"
        f" && (!has(object.metadata.{part}) || object.metadata.{part} == oldObject.metadata.{part}))"
        for part in _PARTS
    )
    return f"request.operation != 'UPDATE' || object.spec != oldObject.spec || !({same})"


def _manifest(kind: str, spec: Manifest) -> Manifest:
    labels = {"app.kubernetes.io/part-of": "daulat"}
    return {"apiVersion": ADMISSION, "kind": kind, "metadata": {"name": NAME, "labels": labels}, "spec": spec}
