"""Times as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(now: float) -> str:
    """Return a time in seconds as the API writes it."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(written: str) -> float:
    """Return such a time in seconds; long ago where it can't be read."""
    try:
        return datetime.fromisoformat(written).timestamp()
    except ValueError:
        return 0.0
