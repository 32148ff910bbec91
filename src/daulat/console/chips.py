"""The chips of record, as the operator accounts for them in the status of each AcceleratorInventory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from daulat.api.inventory import AcceleratorInventoryStatus
from daulat.facts.declared import Unparsable
from daulat.facts.snapshot import Snapshot

LISTED = ("declared", "seen", "missing", "gone", "outside", "undeclared")
"""The counts that the list of inventories has; the others are on an inventory's own page."""
COUNTS = ("declared", "seen", "missing", "gone", "awaited", "unobserved", "outside", "ambiguous", "undeclared")
"""The counts of an inventory, in the order of the columns. Each is a field of its status and a string."""


@dataclass(frozen=True)
class InventoryRow:
    """One inventory."""

    name: str
    unreadable: str
    """Why it can't be read; empty where it can."""
    status: AcceleratorInventoryStatus

    def count(self, name: str) -> int | None:
        """Return one of COUNTS; None where the operator hasn't reported it."""
        found: int | None = getattr(self.status, name)
        return found


@dataclass(frozen=True)
class ChipRow:
    """One declared chip where it is, or was last."""

    chip: str
    node: str
    zone: str
    since: str
    absent_since: str
    gone: bool


def inventories(snapshot: Snapshot) -> tuple[InventoryRow, ...]:
    """Return every inventory by name."""
    return tuple(
        InventoryRow(name, found.reason if isinstance(found, Unparsable) else "", found.status)
        for name, found in sorted(snapshot.inventories.items())
    )


def chips(row: InventoryRow) -> tuple[ChipRow, ...]:
    """Return the chips of an inventory that were ever seen: those that aren't any more first, then by node."""
    found = [
        ChipRow(chip, place.node, place.zone, place.since, place.absent_since or "", bool(place.gone))
        for place in row.status.places
        for chip in place.chips
    ]
    return tuple(sorted(found, key=lambda c: (not c.absent_since, c.node, c.chip)))


def by_node(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """Return the declared chips that are seen on each node now."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in inventories(snapshot):
        for place in row.status.places:
            if place.absent_since is None:
                found[place.node] += place.chips
    return {node: tuple(sorted(held)) for node, held in found.items()}
