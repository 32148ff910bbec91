"""Measures for how long the event loop was blocked: nothing is heard, renewed or answered meanwhile."""

from __future__ import annotations

import asyncio

from prometheus_client import Histogram

EVERY = 0.05
"""Seconds between measurements."""


async def measure(blocked: Histogram) -> None:
    """Measure for ever."""
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(EVERY)
        blocked.observe(max(loop.time() - before - EVERY, 0.0))
