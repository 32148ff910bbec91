"""What the entries say of chips and of the inventories that declare them."""

from __future__ import annotations

from .record import Record


class InventoryRecorded(Record):
    """An AcceleratorInventory: its content from this entry on, and the state of its chips."""

    name: str
    """The inventory."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    accounted: str = ""
    """Its condition Accounted, as status and reason."""
    declared: int = 0
    """Declared chips."""
    seen: int = 0
    """Those that are seen."""
    missing: int = 0
    """Those that were seen before and aren't now, for less than goneAfter."""
    gone: int = 0
    """Those that haven't been seen for longer than goneAfter."""
    awaited: int = 0
    """Those that haven't been seen yet, for less than goneAfter."""
    unobserved: int = 0
    """Those that only exporters report, which the operator doesn't read."""
    outside: int = 0
    """Those in a zone or country where they may not be."""
    ambiguous: int = 0
    """Those that are on several nodes, or declared twice."""
    undeclared: int = 0
    """Chips in its zones that no inventory declares."""
    spec: str
    """The digest of the spec as canonical JSON, which is stored next to the log: deliveries, permits and chips."""


class ChipRecorded(Record):
    """The current or last node of a declared chip changed: it appeared, moved, isn't seen any more, is gone, or has reappeared."""

    name: str
    """The chip, by the first of its declared ids."""
    uid: str
    """The inventory's metadata.uid, a slash, and the chip."""
    inventory: str
    """The inventory."""
    delivery: str = ""
    """The delivery that it came with."""
    permit: str = ""
    """The reference of the permit under which it was imported."""
    node: str
    """The current or last node."""
    zone: str = ""
    """That node's zone of record; its entry has the country."""
    since: str
    """The time since when it is on that node."""
    absent_since: str = ""
    """The time since when it isn't seen."""
    gone: bool = False
    """Whether it hasn't been seen for longer than goneAfter."""
    outside: bool = False
    """Whether it may not be in the zone of record."""
