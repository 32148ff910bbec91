"""Reads a cluster anew when a page is requested and what was read is older than the interval. Requests share one reading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from daulat.kube.errors import RequestError

from ..cluster import ClusterUnreadable, sentence

SHARE = 4
"""How many times as long as a read took the next one waits at least, so that a large cluster isn't read all the time."""
PATIENCE = 1.0
"""Seconds that a request waits for newer facts, where there are some already."""
F = TypeVar("F")


class Latest(Generic[F]):
    """What the last reading that succeeded gave, and why there is no later one."""

    def __init__(
        self, read: Callable[[], Awaitable[F]], interval: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._interval, self._clock = read, interval, clock
        self._found: F | None = None
        self._problem, self._due = "", float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def get(self, patience: float = PATIENCE) -> tuple[F | None, str]:
        """Return what was read, anew where it is time, and the problem of the last read. Requests share one read.

        Where a read takes longer than ``patience`` seconds, what was read before is returned: pages say how old it is.
        """
        if self._reading is None and self._clock() >= self._due:
            self._reading = asyncio.create_task(self._refresh())
        reading = self._reading
        if reading is not None:
            await asyncio.wait({reading}, timeout=None if self._found is None else patience)
            if reading.done():
                reading.result()  # Raises what isn't a problem of the cluster.
        return self._found, self._problem

    async def _refresh(self) -> None:
        began = self._clock()
        try:
            self._found, self._problem = await self._read(), ""
        except ClusterUnreadable as error:
            self._problem = str(error)
        except RequestError as error:
            self._problem = sentence(error)
        finally:
            ended = self._clock()
            self._due = ended + max(self._interval, SHARE * (ended - began))
            self._reading = None
