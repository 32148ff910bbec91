"""A queue of keys: each is in it once, comes back after its delay, and waits longer each time that it fails.

It keeps the rules of client-go's workqueue. A key that a worker has is *in flight*; asked for again meanwhile, it is *dirty* and
comes back once the worker is done with it, for which that may be news. No two workers ever have the same key.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from daulat.kube.ref import Ref

BASE, LIMIT = 0.2, 60.0
"""Seconds before a failed key is tried again: the first time, and at most."""


def pause_after(failures: int) -> float:
    """Return for how many seconds to wait after so many failures in a row."""
    return min(BASE * 2.0 ** min(failures - 1, 16), LIMIT)


def _equal(key: Ref) -> int:
    return 0


class Queue:
    """Keys to reconcile, for several workers. Not thread-safe: used from one event loop.

    Of the keys that are due those with the lowest ``priority`` go first, and of these the one that has waited longest.
    """

    def __init__(self, priority: Callable[[Ref], int] = _equal) -> None:
        self._priority = priority
        self._later: dict[Ref, float] = {}
        """Keys that wait for their time, which the loop's own timers keep."""
        self._due: set[Ref] = set()
        self._ready: asyncio.PriorityQueue[tuple[int, int, Ref]] = asyncio.PriorityQueue()
        self._order = itertools.count()
        self._failures: dict[Ref, int] = {}
        self._in_flight: set[Ref] = set()
        self._dirty: dict[Ref, float] = {}

    def due(self) -> int:
        """Return how many keys wait for a worker; those that wait for their time don't count."""
        return self._ready.qsize()

    def idle(self) -> bool:
        """Say whether nothing is due or in flight."""
        return not self._due and not self._in_flight

    def add(self, key: Ref, delay: float = 0.0) -> None:
        """Ask for the key, now or after a delay in seconds. The earlier deadline wins."""
        at = asyncio.get_running_loop().time() + delay
        if key in self._in_flight:
            self._dirty[key] = min(at, self._dirty.get(key, float("inf")))
        else:
            self._push(key, at)

    def failed(self, key: Ref, at_least: float = 0.0) -> float:
        """Ask for the key again after a pause that doubles with each failure; return the pause."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        pause = max(pause_after(count), at_least)
        self.add(key, pause)
        return pause

    def succeeded(self, key: Ref) -> None:
        """Forget the key's failures."""
        self._failures.pop(key, None)

    def done(self, key: Ref) -> None:
        """Give the key back, so that a worker may have it again."""
        self._in_flight.discard(key)
        if (at := self._dirty.pop(key, None)) is not None:
            self._push(key, at)

    async def get(self) -> Ref:
        """Wait for a key that is due, and take it until it is given back by ``done``."""
        _, _, key = await self._ready.get()
        self._due.discard(key)
        self._in_flight.add(key)
        return key

    def _push(self, key: Ref, at: float) -> None:
        if key in self._due or at >= self._later.get(key, float("inf")):
            return
        self._later[key] = at
        loop = asyncio.get_running_loop()
        if at <= loop.time():
            self._ripen(key, at)
        else:
            loop.call_at(at, self._ripen, key, at)

    def _ripen(self, key: Ref, at: float) -> None:
        if self._later.get(key) == at:  # not asked for anew since
            del self._later[key]
            self._due.add(key)
            self._ready.put_nowait((self._priority(key), next(self._order), key))
