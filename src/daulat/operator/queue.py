"""The one queue of keys: each is in it once, comes back after its delay, and waits longer each time that it fails."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from daulat.facts.ref import Ref

BASE, LIMIT = 0.2, 60.0
"""Seconds before a failed key is tried again: the first time, and at most."""


class Queue:
    """Keys to reconcile, for several workers, of which no two have the same key. Not thread-safe: used from one event loop."""

    def __init__(self) -> None:
        self._due: dict[Ref, float] = {}
        self._heap: list[tuple[float, int, Ref]] = []
        self._order = itertools.count()
        self._failures: dict[Ref, int] = {}
        self._taken: set[Ref] = set()
        self._again: dict[Ref, float] = {}
        self._wake = asyncio.Event()

    def due(self) -> int:
        """Return how many keys wait for a worker; those that wait for their time don't count."""
        now = asyncio.get_running_loop().time()
        return sum(at <= now for at in self._due.values())

    def add(self, key: Ref, delay: float = 0.0) -> None:
        """Ask for the key, now or after a delay in seconds. The earlier of two askings counts.

        A key that a worker has comes back once that is done with it: what was asked for meanwhile may be news to it.
        """
        at = asyncio.get_running_loop().time() + delay
        if key in self._taken:
            self._again[key] = min(at, self._again.get(key, float("inf")))
        else:
            self._push(key, at)

    def failed(self, key: Ref) -> float:
        """Ask for the key again after a pause that doubles with each failure; return the pause."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(BASE * 2.0 ** (count - 1), LIMIT)
        self.add(key, pause)
        return pause

    def succeeded(self, key: Ref) -> None:
        """Forget the key's failures."""
        self._failures.pop(key, None)

    def done(self, key: Ref) -> None:
        """Give the key back, so that a worker may have it again."""
        self._taken.discard(key)
        if (at := self._again.pop(key, None)) is not None:
            self._push(key, at)

    async def get(self) -> Ref:
        """Wait for a key that is due, and take it until it is given back by ``done``."""
        while True:
            self._wake.clear()
            while self._heap:
                at, _, key = self._heap[0]
                if self._due.get(key) != at:
                    heapq.heappop(self._heap)  # asked for anew, or taken already
                    continue
                wait = at - asyncio.get_running_loop().time()
                if wait <= 0:
                    heapq.heappop(self._heap)
                    del self._due[key]
                    self._taken.add(key)
                    return key
                break
            pause = self._heap[0][0] - asyncio.get_running_loop().time() if self._heap else None
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    def _push(self, key: Ref, at: float) -> None:
        if at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))
            self._wake.set()
