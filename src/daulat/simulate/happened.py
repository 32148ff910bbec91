"""What happens in a simulation, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """A pod that was running and is taken away."""

    at: float
    """Seconds since the epoch."""
    namespace: str
    name: str
    node: str
    model: str
    """The model that it belongs to; empty for other pods."""
    policies: tuple[str, ...]
    """The policies under which it is evicted; none where a node is lost or a model gives it up by itself."""
    why: str


NODE_LOST = "its node is lost"
REPLACED = "its model replaces it"
"""Why a pod ends that a Deployment takes away, since the model's template changed or fewer replicas are wanted."""
