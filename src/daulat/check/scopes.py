"""What the API server calls an object: its resource, whether it is in a namespace, and whether it serves the object's version."""

from __future__ import annotations

from collections.abc import Mapping

from daulat.catalog.scopes import known_groups
from daulat.kube.resources import find

Scopes = Mapping[tuple[str, str], bool]
"""Whether kinds are in a namespace, by API group and kind, as CustomResourceDefinitions of the input say."""


def is_namespaced(group: str, kind: str, defined: Scopes | None = None) -> bool | None:
    """Say whether objects of the kind are in a namespace; None where the kind isn't known."""
    known = find(group, kind)
    if known is not None:
        return known.namespaced
    if defined and (group, kind) in defined:
        return defined[group, kind]
    listed = known_groups().cluster.get(group)
    return None if listed is None else kind not in listed


def is_cluster_scoped(group: str, kind: str) -> bool:
    """Say whether objects of the kind are in no namespace. A kind that isn't known is taken to be in one, as most are."""
    return is_namespaced(group, kind) is False


def is_served(group: str, version: str) -> bool:
    """Say whether a supported API server serves the version; true for a group that isn't Kubernetes' own."""
    served = known_groups().versions.get(group)
    return served is None or version in served


def resource_of(group: str, kind: str) -> str:
    """Return the kind's resource; of a kind that isn't known, by the rule that Kubernetes names its own resources by."""
    known = find(group, kind)
    if known is not None:
        return known.plural
    word = kind.lower()
    if word.endswith(("s", "x", "ch", "sh")):
        return word if word == "endpoints" else word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"
