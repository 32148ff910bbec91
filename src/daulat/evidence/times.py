"""Times of entries as text that sorts as the times do: a kubelet's have seconds, the recorder's milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def with_milliseconds(at: datetime) -> str:
    """Return a time in UTC as the recorder writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def rfc3339(seconds: float) -> str:
    """Return POSIX seconds as the recorder writes them."""
    return with_milliseconds(datetime.fromtimestamp(seconds, UTC))


def seconds_of(time: str) -> float:
    """Return such a time in POSIX seconds. ValueError where it is none."""
    return datetime.fromisoformat(time).timestamp()


def comparable(time: str) -> str:
    """Return a time of RFC 3339 in UTC with milliseconds; empty stays empty."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction[:3]:0<3}Z" if time else ""


def comparable_or(found: Any, otherwise: str) -> str:
    """Return what a field of an entry says, or the time that stands for it where it has none."""
    return comparable(str(found)) if found else otherwise
