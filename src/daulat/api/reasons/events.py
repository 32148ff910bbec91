"""Reasons of Events that tell of no condition."""

from __future__ import annotations

from .types import EventReason

ACCELERATORS_APPROVED = EventReason(
    "AcceleratorsApproved",
    ("SovereigntyPolicy",),
    "The accelerators that spec.accelerators approves have changed; the message lists the added and the removed ones. It"
    " is a Warning if the"
    "policy itself didn't change: then an AcceleratorProfile was created, changed or deleted.",
)
CHIPS_MOVED = EventReason(
    "ChipsMoved",
    ("AcceleratorInventory",),
    "Declared chips are seen on another node than before, or their node's zone of record is another one. It is a Warning where one "
    "is now in a zone or country where it may not be.",
)
CHIPS_LOST = EventReason(
    "ChipsLost",
    ("AcceleratorInventory",),
    "Declared chips haven't been seen for longer than spec.goneAfter. The message has the node where each was last.",
)
CHIPS_FOUND = EventReason(
    "ChipsFound", ("AcceleratorInventory",), "Declared chips that counted as gone are seen again."
)
