"""Decides whether a policy governs a namespace: yes, no, or unknown where the namespace's labels aren't known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daulat.admission.policy import PROTECTED_NAMESPACES
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector

NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Namespaces:
    """The namespaces whose labels are known."""

    known: Mapping[str, Manifest]

    def labels(self, name: str) -> dict[str, str] | None:
        """Return a namespace's labels, with the one that the API server gives it; None where they aren't known."""
        manifest = self.known.get(name)
        if manifest is None:
            return None
        labels = (manifest.get("metadata") or {}).get("labels") or {}
        return {**{key: value or "" for key, value in labels.items()}, NAME_LABEL: name}

    def of_protected(self, operator_namespace: str) -> dict[str, dict[str, str]]:
        """Return the labels of the namespaces that no policy may govern: of one that isn't known, every cluster's."""
        names = (*PROTECTED_NAMESPACES, operator_namespace)
        return {name: self.labels(name) or {NAME_LABEL: name} for name in names}

    def manifest(self, name: str) -> Manifest:
        """Return a namespace as controls see it. One that isn't known has the one label that the API server gives it."""
        known = self.known.get(name) or {"apiVersion": "v1", "kind": "Namespace"}
        labels = self.labels(name) or {NAME_LABEL: name}
        return {**known, "metadata": {**(known.get("metadata") or {}), "name": name, "labels": labels}}

    def selected(self, selector: LabelSelector, name: str) -> bool | None:
        """Say whether the selector selects the namespace, or None where that isn't known."""
        labels = self.labels(name)
        if labels is not None:
            return selector.matches(labels)
        own = {NAME_LABEL: name}
        certain = LabelSelector(
            match_labels={k: v for k, v in (selector.match_labels or {}).items() if k in own} or None,
            match_expressions=tuple(e for e in selector.match_expressions or () if e.key in own) or None,
        )
        if not certain.matches(own):
            return False
        return True if selector.label_keys() <= own.keys() else None
