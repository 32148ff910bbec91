"""Keeps a pass slow: judging takes processor time, and lists take the API server's."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """A budget of units a second. What isn't used is gone: after an idle time there is no burst."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = 0.0
        self.spent = time.monotonic()
        """When something was last spent, by the monotonic clock."""

    async def spend(self, units: int = 1) -> None:
        """Wait until the units before these are paid for."""
        now = time.monotonic()
        begins = max(self._free, now)
        self._free = begins + units / self._rate
        # A sleep of zero too lets probes and the Lease have their turn.
        await asyncio.sleep(begins - now)
        self.spent = time.monotonic()
