"""Where a model stands by its own status: a model stays there until it must move."""

from __future__ import annotations

from dataclasses import dataclass

from daulat.facts.snapshot import Model


@dataclass(frozen=True)
class Standing:
    """The placement that an earlier pass decided."""

    zone: str
    accelerator: str
    resource: str
    nodes: tuple[str, ...]
    devices: int
    """Of each replica; 0 where an earlier release didn't write it down."""


def standing(model: Model) -> Standing | None:
    """Return where the model was placed, or None where it wasn't yet."""
    placement = model.status.get("placement") or {}
    zone, accelerator = placement.get("zone"), placement.get("accelerator")
    if not zone or not accelerator:
        return None
    sizing = model.status.get("sizing") or {}
    return Standing(
        str(zone),
        str(accelerator),
        str(placement.get("resource") or ""),
        tuple(placement.get("nodes") or ()),
        int(sizing.get("devices") or 0),
    )
