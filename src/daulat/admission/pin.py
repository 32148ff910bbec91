"""Writes the MutatingAdmissionPolicy that pins governed pods to the nodes which are eligible under a policy."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.kinds import Manifest
from daulat.api.names import ELIGIBLE, eligible_label
from daulat.controls.library import Guard

from .literals import literal
from .validating import match_constraints


def spec(policy: str, guard: Guard, unpinned: Sequence[str] = ()) -> Manifest:
    """Return the spec. A pod that has the label in its nodeSelector already, with any value, is left to the controls.

    Pods of the ``unpinned`` namespaces, which are exempt, are left as they are. Should the operator be down when the exemption
    ends, the controls refuse them.
    """
    label = eligible_label(policy)
    exempt = [{"name": "not-exempt", "expression": f"!(request.namespace in {literal(unpinned)})"}] if unpinned else []
    constraints = match_constraints(guard)
    constraints["resourceRules"] = [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*"}
    ]
    return {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": constraints,
        "matchConditions": [
            {
                "name": "not-pinned",
                "expression": f"!has(object.spec.nodeSelector) || !({literal(label)} in object.spec.nodeSelector)",
            },
            *exempt,
        ],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _patch(label)}}],
    }


def _patch(label: str) -> str:
    # nodeSelector is an atomic map, which an ApplyConfiguration may not touch.
    key, value = literal(label), literal(ELIGIBLE)
    return (
        "has(object.spec.nodeSelector) ? "
        f'[JSONPatch{{op: "add", path: "/spec/nodeSelector/" + jsonpatch.escapeKey({key}), value: {value}}}] : '
        f'[JSONPatch{{op: "add", path: "/spec/nodeSelector", value: {{{key}: {value}}}}}]'
    )
