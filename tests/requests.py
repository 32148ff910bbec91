"""Turns a control's example into the request that the evaluator and the API server are asked."""

from __future__ import annotations

from typing import Any

from daulat.admission.cluster import compile_cluster_guards
from daulat.admission.policy import compile_policy
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators
from daulat.cel.evaluator import Request
from daulat.controls import library
from daulat.controls.library import Control, Example

EXAMPLES = [(c, e) for c in library.controls() for e in c.examples]
IDS = [f"{c.id}.{c.guard}-{e.name}" for c, e in EXAMPLES]


def merge(target: Any, patch: Any) -> Any:
    """Merge as RFC 7386 says: null takes a field away, and lists are replaced whole."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def policy_of(example: Example) -> SovereigntyPolicySpec:
    """Return the spec of the policy that the example is judged by."""
    return SovereigntyPolicySpec.model_validate(merge(library.base()["policy"], example.policy))


def manifests_of(control: Control, example: Example) -> list[dict[str, Any]]:
    """Return the compiled policy, or the cluster's guards, that judge the example."""
    if library.guards()[control.guard].scope == "cluster":
        return compile_cluster_guards()
    return list(compile_policy("confidential", policy_of(example), accelerators.shipped()).manifests)


def request_of(control: Control, example: Example) -> Request:
    """Return the request."""
    base = library.base()["objects"][control.guard]
    first = library.guards()[control.guard].resources[0]
    resource = example.resource or first.resources[0]
    if resource == "secrets":
        base = {**base, "kind": "Secret"}
    return Request(
        object=merge(base, example.object),
        old_object=merge(base, example.oldObject) if example.oldObject is not None else None,
        operation=example.operation,
        resource=resource,
        group=first.group,
        version=first.version,
        namespace="treasury",
        user=example.user,
        allowed=frozenset(example.allowed),
    )
