"""The one queue of keys: each is in it once, comes back after its delay, and waits longer each time that it fails."""

from __future__ import annotations

import asyncio

from daulat.kube.ref import Ref

BASE, LIMIT = 0.2, 60.0
"""Seconds before a failed key is tried again: the first time, and at most."""


class Queue:
    """Keys to reconcile, for several workers, of which no two have the same key. Not thread-safe: used from one event loop."""

    def __init__(self) -> None:
        self._later: dict[Ref, float] = {}
        """Keys that wait for their time, which the loop's own timers keep."""
        self._due: set[Ref] = set()
        self._ready: asyncio.Queue[Ref] = asyncio.Queue()
        self._failures: dict[Ref, int] = {}
        self._taken: set[Ref] = set()
        self._again: dict[Ref, float] = {}

    def due(self) -> int:
        """Return how many keys wait for a worker; those that wait for their time don't count."""
        return self._ready.qsize()

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
        key = await self._ready.get()
        self._due.discard(key)
        self._taken.add(key)
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
            self._ready.put_nowait(key)
