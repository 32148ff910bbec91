"""A fact that couldn't be established, with the reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unknown:
    """A fact that couldn't be established. It never makes anything eligible."""

    reason: str
