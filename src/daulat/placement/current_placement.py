"""Where a model stands by its own status: a model stays there until it must move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daulat.api.kinds import Manifest
from daulat.facts.snapshot import Model


@dataclass(frozen=True)
class CurrentPlacement:
    """The placement that an earlier pass decided."""

    zone: str
    accelerator: str
    resource: str
    nodes: tuple[str, ...]
    sizing: Manifest = field(default_factory=dict, hash=False)
    """How many devices each replica has, and what for; empty where an earlier release didn't write it down."""

    @property
    def devices(self) -> int:
        """The devices of each replica; 0 where nobody knows."""
        return int(self.sizing.get("devices") or 0)

    @property
    def spread(self) -> int:
        """The nodes of each replica; 0 where nobody knows."""
        return int(self.sizing.get("nodes") or 0)


def current_placement(model: Model) -> CurrentPlacement | None:
    """Return where the model was placed, or None where it wasn't yet."""
    return placement_of(model.status)


def placement_of(status: Mapping[str, Any]) -> CurrentPlacement | None:
    """Return where a model is placed by this status, or None where it isn't."""
    placement = status.get("placement") or {}
    zone, accelerator = placement.get("zone"), placement.get("accelerator")
    if not zone or not accelerator:
        return None
    return CurrentPlacement(
        str(zone),
        str(accelerator),
        str(placement.get("resource") or ""),
        tuple(placement.get("nodes") or ()),
        status.get("sizing") or {},
    )
