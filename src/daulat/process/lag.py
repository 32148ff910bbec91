"""Measures for how long the event loop was blocked: nothing is heard, renewed or answered meanwhile."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Histogram

EVERY = 0.05
"""Seconds between measurements."""


def histogram(name: str, registry: CollectorRegistry) -> Histogram:
    """Return what measurements go into."""
    return Histogram(
        name,
        "Time for which the event loop was blocked.",
        registry=registry,
        buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
    )


async def measure(blocked: Histogram) -> None:
    """Measure for ever."""
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(EVERY)
        blocked.observe(max(loop.time() - before - EVERY, 0.0))
