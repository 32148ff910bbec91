"""Times of entries as text that sorts as the times do: a kubelet's have seconds, the recorder's milliseconds."""

from __future__ import annotations

from typing import Any


def comparable(time: str) -> str:
    """Return a time of RFC 3339 in UTC with milliseconds; empty stays empty."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction[:3]:0<3}Z" if time else ""


def comparable_or(found: Any, otherwise: str) -> str:
    """Return what a field of an entry says, or the time that stands for it where it has none."""
    return comparable(str(found)) if found else otherwise
