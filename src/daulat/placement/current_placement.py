"""Where a model stands by its own status: a model stays there until it must move."""

from __future__ import annotations

from dataclasses import dataclass

from daulat.api.model import SizingStatus, SovereignModelStatus
from daulat.facts.snapshot import Model


@dataclass(frozen=True)
class CurrentPlacement:
    """The placement that an earlier pass decided."""

    zone: str
    accelerator: str
    resource: str
    nodes: tuple[str, ...]
    sizing: SizingStatus | None = None
    """How many devices each replica has, and what for; None where an earlier release didn't write it down."""
    served: bool = False
    """Whether replicas have become ready with them."""

    @property
    def devices(self) -> int:
        """The devices of each replica; 0 where nobody knows."""
        return self.sizing.devices if self.sizing is not None else 0

    @property
    def spread(self) -> int:
        """The nodes of each replica; 0 where nobody knows."""
        return (self.sizing.nodes or 0) if self.sizing is not None else 0


def current_placement(model: Model) -> CurrentPlacement | None:
    """Return where the model was placed, or None where it wasn't yet."""
    return placement_of(model.status)


def placement_of(status: SovereignModelStatus) -> CurrentPlacement | None:
    """Return where a model is placed by this status, or None where it isn't."""
    found = status.placement
    if found is None or not found.zone or not found.accelerator:
        return None
    return CurrentPlacement(
        found.zone, found.accelerator, found.resource or "", found.nodes, status.sizing, _served(status)
    )


def _served(status: SovereignModelStatus) -> bool:
    return bool(status.ready_replicas or (status.history and status.history[-1].finished_at))
