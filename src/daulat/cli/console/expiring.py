"""Values that are kept for a while, at most so many."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Expiring(Generic[V]):
    """Values by key. Each is dropped so many seconds after it was put, and the oldest where there are too many."""

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._values: dict[str, tuple[float, V]] = {}

    def get(self, key: str) -> V | None:
        """Return the value, or None where there is none any more."""
        until, value = self._values.get(key, (0.0, None))
        if value is not None and self._clock() < until:
            return value
        self._values.pop(key, None)
        return None

    def put(self, key: str, value: V) -> None:
        """Keep a value, in the place of an earlier one of this key."""
        self._values.pop(key, None)
        while len(self._values) >= self._most:
            del self._values[next(iter(self._values))]
        self._values[key] = self._clock() + self._seconds, value

    def drop(self, key: str) -> None:
        """Forget a value."""
        self._values.pop(key, None)

    def __len__(self) -> int:
        return len(self._values)
