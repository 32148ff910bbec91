"""Facts that are worked out from other facts, kept as long as nothing that they depend on changes.

A derived fact is a class. It names the kinds that it reads (``depends_on``), works out its parts when somebody reads them, and is
handed each change of those kinds, to drop exactly the parts that the change concerns. So one changed node costs the work of one
node, in a cluster of any size.

The values belong to the newest snapshot of a store. A snapshot that is no longer the newest gets empty ones: they work everything
out from that snapshot's own facts, and are right, but cost the full price.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast

from .change import Change

PENDING = 2000
"""Changes that wait for a derived fact to be read. Beyond, it is worked out anew: that costs less than to take all of them in."""


class Facts(Protocol):
    """What a snapshot has for its derived facts."""

    @property
    def derived(self) -> DerivedFacts:
        """The derived facts, shared with the snapshots before and after it."""

    @property
    def sequence(self) -> int:
        """The number of changes that came before."""


class DerivedFact(ABC):
    """One kind of derived fact."""

    depends_on: ClassVar[frozenset[str]]
    """The kinds of which it has to see every change."""

    @classmethod
    def of(cls, snapshot: Facts) -> Self:
        """Return the derived fact of this snapshot."""
        return snapshot.derived.get(cls, snapshot)

    @abstractmethod
    def forget(self, change: Change, snapshot: Any) -> bool:
        """Drop what the change concerns. Return False where that is everything."""


D = TypeVar("D", bound=DerivedFact)


class DerivedFacts:
    """The derived facts of one store, with the changes that each hasn't taken in yet."""

    def __init__(self) -> None:
        self._values: dict[type[DerivedFact], DerivedFact] = {}
        self._pending: dict[type[DerivedFact], list[Change]] = {}
        self._sequence = 0

    @property
    def sequence(self) -> int:
        """How many times the facts have changed: the newest snapshot carries this number."""
        return self._sequence

    def changed(self, change: Change | None = None) -> None:
        """Note a change of a fact, or of anything else that a snapshot shows."""
        self._sequence += 1
        if change is None:
            return
        for kind in list(self._values):
            if change.ref.kind not in kind.depends_on:
                continue
            pending = self._pending[kind]
            pending.append(change)
            if len(pending) > PENDING:
                del self._values[kind], self._pending[kind]

    def reset(self) -> None:
        """Drop everything, as after a change that concerns what isn't an object."""
        self._sequence += 1
        self._values.clear()
        self._pending.clear()

    def get(self, kind: type[D], snapshot: Facts) -> D:
        """Return the derived fact as it is at the snapshot."""
        if snapshot.sequence != self._sequence:
            return kind()
        value = cast("D | None", self._values.get(kind))
        if value is not None:
            pending, self._pending[kind] = self._pending[kind], []
            if all(value.forget(change, snapshot) for change in pending):
                return value
        value = self._values[kind] = kind()
        self._pending[kind] = []
        return value
