"""What the entries say of chips and of the inventories that declare them."""

from __future__ import annotations

from .record import Record


class InventoryRecorded(Record):
    """An AcceleratorInventory as it is from here on, and what was found of its chips."""

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
    """Those that were seen and aren't, for less than is allowed."""
    gone: int = 0
    """Those that haven't been seen for longer."""
    awaited: int = 0
    """Those that haven't been seen yet, for less than is allowed."""
    unobserved: int = 0
    """Those that only exporters show, which the operator doesn't read."""
    outside: int = 0
    """Those that stand where they may not."""
    ambiguous: int = 0
    """Those that are on several nodes, or declared twice."""
    undeclared: int = 0
    """Chips in its zones that no inventory declares."""
    spec: str
    """The digest of the spec as canonical JSON, which is kept beside the log: deliveries, permits and chips."""


class ChipRecorded(Record):
    """A declared chip is, or was last, on this node from here on: it came, moved, isn't seen any more, is gone, or is back."""

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
    """The node where it is, or was last."""
    zone: str = ""
    """That node's zone of record; its entry has the country."""
    since: str
    """Since when it is there."""
    absent_since: str = ""
    """Since when it isn't seen any more."""
    gone: bool = False
    """Whether that is longer than is allowed."""
    outside: bool = False
    """Whether the zone of record is one where it may not stand."""
