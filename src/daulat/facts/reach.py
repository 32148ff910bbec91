"""On which nodes a device can be used, as a ResourceSlice says. What can't be read may be any node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")


@dataclass(frozen=True)
class Requirement:
    """One requirement of a node selector, on a label or on the node's name (``field``)."""

    key: str
    operator: str
    values: tuple[str, ...]
    field: bool = False


@dataclass(frozen=True)
class Reach:
    """One node by its name, or the nodes that one of the terms selects. Without both, every node."""

    node: str = ""
    terms: tuple[tuple[Requirement, ...], ...] = ()

    def includes(self, name: str, labels: Mapping[str, str]) -> bool:
        """Say whether the node may be one of them. A requirement that can't be read keeps no node away."""
        if self.node:
            return self.node == name
        if not self.terms:
            return True
        # A term without requirements selects nothing, as in Kubernetes.
        return any(term and all(_holds(r, name, labels) for r in term) for term in self.terms)


EVERYWHERE = Reach()


def parse_reach(holder: Mapping[str, Any]) -> Reach:
    """Read the fields of a slice, or of a device, that say where it is. Forms of later releases are taken for every node."""
    if holder.get("nodeName"):
        return Reach(node=str(holder["nodeName"]))
    selector = holder.get("nodeSelector")
    if not selector:
        return EVERYWHERE
    terms = tuple(
        (
            *(_requirement(r, field=False) for r in term.get("matchExpressions") or ()),
            *(_requirement(r, field=True) for r in term.get("matchFields") or ()),
        )
        for term in selector.get("nodeSelectorTerms") or ()
    )
    return Reach(terms=terms)


def _requirement(raw: Mapping[str, Any], *, field: bool) -> Requirement:
    values = tuple(str(v) for v in raw.get("values") or ())
    return Requirement(str(raw.get("key") or ""), str(raw.get("operator") or ""), values, field)


def _holds(requirement: Requirement, name: str, labels: Mapping[str, str]) -> bool:
    if requirement.operator not in _OPERATORS or (requirement.field and requirement.key != "metadata.name"):
        return True
    value = name if requirement.field else labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    try:
        left, right = int(value or ""), int(requirement.values[0])
    except (ValueError, IndexError):
        return (
            value is not None
        )  # A label that is there but no number: Kubernetes says no, and here nothing is taken on trust.
    return left > right if requirement.operator == "Gt" else left < right
