"""What was taken away under a policy: a fact about the operator's own work, by which the brake decides."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW = 600.0
"""Seconds for which a charge counts."""


@dataclass(frozen=True)
class Charge:
    """Running pods that were taken away."""

    uid: str
    """Of the pod, or of the workload that they belonged to. Empty for what an earlier leader did, as the status adds it up."""
    pods: int
    at: float
    """Seconds on the operator's clock."""
