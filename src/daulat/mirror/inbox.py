"""Takes events from the thread of the watches to the loop of the operator: many at once, for each hand-over costs both."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

BATCH = 200
"""Events that are taken before others of the loop have their turn."""


class Inbox:
    """Events in the order in which they came. Anybody may put; the loop takes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[..., None]) -> None:
        self._loop, self._take = loop, take
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._called = False

    def put(self, *event: Any) -> None:
        """Hand an event over, from any thread."""
        self._waiting.append(event)
        # A stale `_called` is harmless: the event is already queued, and the pending call takes it.
        if not self._called and not self._loop.is_closed():
            self._called = True
            self._loop.call_soon_threadsafe(self._empty)

    def close(self) -> None:
        """Drop what is waiting, and whatever is put later. Called from the loop."""
        self._take = _drop
        self._waiting.clear()

    def _empty(self) -> None:
        self._called = False
        for _ in range(BATCH):
            if not self._waiting:
                return
            self._take(*self._waiting.popleft())
        self._called = True
        self._loop.call_soon(self._empty)


def _drop(*event: Any) -> None:
    return None
