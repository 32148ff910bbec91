"""Compiles the guards that depend on all policies: where data has a class and none of them selects, nothing runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector, LabelSelectorRequirement
from daulat.api.names import MANAGED_BY
from daulat.controls import library
from daulat.controls.library import Guard, Named

from . import validating
from .cluster import cluster_name, manifest
from .literals import literal
from .policy import PROTECTED_NAMESPACES

UNGOVERNED = cluster_name("ungoverned")
UNGOVERNED_MODELS = cluster_name("ungoverned-models")
DATA_CLASS = "daulat.dev/data-class"


def compile_ungoverned(
    selectors: Iterable[LabelSelector], protected: Sequence[str] = PROTECTED_NAMESPACES
) -> list[Manifest]:
    """Return the manifests, the same bytes for the same selectors in any order.

    ``selectors`` are those of the policies in force. In a namespace that has a data class and that none of them selects, pods are
    refused, and SovereignModels come with a warning. The ``protected`` namespaces are left alone, as they are by policies.
    """
    expressions = sorted({_selects(s) for s in selectors})
    governed = Named(name="governed", expression=" || ".join(f"({e})" for e in expressions) or "false")
    where = {
        "matchExpressions": [
            {"key": DATA_CLASS, "operator": "Exists"},
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": sorted(protected)},
        ]
    }
    found = [
        m for guard in library.guards().values() if guard.scope == "policies" for m in _guard(guard, governed, where)
    ]
    for one in found:
        one["metadata"]["labels"][MANAGED_BY] = "daulat"
    return found


def _guard(guard: Guard, governed: Named, where: Manifest) -> list[Manifest]:
    name = cluster_name(guard.guard)
    controls = [c for c in library.controls() if c.guard == guard.guard]
    whole = guard.model_copy(update={"variables": (*guard.variables, governed)})
    return [
        manifest("ValidatingAdmissionPolicyBinding", name, validating.binding_spec(name, guard.action, where)),
        manifest("ValidatingAdmissionPolicy", name, validating.spec(whole, controls, {})),
    ]


def _selects(selector: LabelSelector) -> str:
    """Return CEL that is true where the selector matches ``variables.labels``."""
    parts = [_is(key, [value]) for key, value in sorted((selector.match_labels or {}).items())]
    parts += [_holds(e) for e in selector.match_expressions or ()]
    return " && ".join(parts) or "true"


def _holds(requirement: LabelSelectorRequirement) -> str:
    key, values = requirement.key, sorted(requirement.values or ())
    match requirement.operator:
        case "In":
            return _is(key, values)
        case "NotIn":
            return f"!({_is(key, values)})"
        case "Exists":
            return f"{literal(key)} in variables.labels"
        case "DoesNotExist":
            return f"!({literal(key)} in variables.labels)"


def _is(key: str, values: Sequence[str]) -> str:
    name = literal(key)
    return f"{name} in variables.labels && variables.labels[{name}] in {literal(values)}"
