"""Reasons of Events that tell of no condition."""

from __future__ import annotations

from .types import EventReason

ACCELERATORS_APPROVED = EventReason(
    "AcceleratorsApproved",
    ("SovereigntyPolicy",),
    "What spec.accelerators approves has changed; the message lists what was added and what was taken away. It is a Warning if the "
    "policy itself didn't change: then an AcceleratorProfile was created, changed or deleted.",
)
