"""The models of each namespace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from daulat.kube.ref import Ref

from .change import Change
from .derived import DerivedFact
from .snapshot import Snapshot


class ModelsByNamespace(DerivedFact):
    """The names of all models by namespace: a pass over one policy doesn't look at the models of all others."""

    depends_on = frozenset({"SovereignModel"})

    def __init__(self) -> None:
        self._refs: dict[str, set[Ref]] | None = None

    def forget(self, change: Change, snapshot: Any) -> bool:
        """Add or drop the model."""
        if self._refs is not None:
            known = self._refs.pop(change.ref.namespace, set()) - {change.ref}
            if change.after is not None:
                known.add(change.ref)
            if known:
                self._refs[change.ref.namespace] = known
        return True

    def within(self, namespaces: Iterable[str], snapshot: Snapshot) -> list[Ref]:
        """Return the models in these namespaces, in order, with those that couldn't be read."""
        if self._refs is None:
            self._refs = {}
            for ref in snapshot.models:
                self._refs.setdefault(ref.namespace, set()).add(ref)
        return sorted(ref for name in namespaces for ref in self._refs.get(name, ()))


def models_in(namespaces: Iterable[str], snapshot: Snapshot) -> list[Ref]:
    """Return the models in these namespaces, in order, with those that couldn't be read."""
    return ModelsByNamespace.of(snapshot).within(namespaces, snapshot)
