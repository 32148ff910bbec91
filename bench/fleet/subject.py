"""The operator that is measured: what it uses, how many passes it makes, what it requests, and when it has come to rest."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import metrics, usage
from bench.audit import Call, Log
from bench.metrics import Metrics
from dev.cluster import ClusterError, EmbeddedCluster
from dev.deployment import OperatorProcess

WINDOW = 1.0
RESTING = 0.05
"""Of a core: below that in so many windows running, with an empty queue, the operator is at rest."""
QUIET_WINDOWS = 3
"""Longer than changes are gathered for before a pass begins."""
STARTS_WITHIN = 900.0
LOG_LINES, LOG_WIDTH = 5, 1000
"""Of the operator's log, which goes with the cluster, told where the bench fails."""


class Ended(RuntimeError):
    """The operator ended by itself."""


@dataclass(frozen=True)
class Cost:
    """What it took the operator to come to rest after something had changed."""

    processor: float
    """Seconds, without what it uses at rest."""
    wall: float
    passes: Counter[str]
    calls: tuple[Call, ...]
    rested: bool
    """Whether it came to rest within the limit."""

    @property
    def relisted(self) -> bool:
        """Whether a periodic full list fell into it, whose cost and passes aren't the change's."""
        return any(c.verb == "list" and c.resource == "nodes" for c in self.calls)


class Subject:
    """The operator of a checkout as a process, with the rights of its chart's ServiceAccount."""

    def __init__(self, cluster: EmbeddedCluster, directory: Path, source: Path, limit: float) -> None:
        self._process = OperatorProcess(cluster, directory, source=source)
        self.audit = Log(cluster.audit_log)
        self._limit = limit
        self.at_rest = 0.0
        """Seconds of processor a second that it uses at rest, as far as that is known."""

    @property
    def pid(self) -> int:
        """Its process id. Ended where it doesn't run."""
        if not (pid := self._process.pid):
            raise Ended(f"the operator has ended; its log is {self._process.log}")
        return pid

    async def start(self) -> tuple[float, float]:
        """Start it, and return after how many seconds it was ready (facts synced) and led."""
        offset = self._process.log.stat().st_size if self._process.log.exists() else 0
        await asyncio.to_thread(self._process.start, False)
        began = psutil.Process(self.pid).create_time()
        await asyncio.to_thread(self._process.wait_ready, offset, STARTS_WITHIN)
        ready = time.time() - began
        while not (await self.metrics()).value("daulat_leader"):
            if time.time() - began > STARTS_WITHIN:
                raise ClusterError(f"after {STARTS_WITHIN:.0f} s the operator doesn't lead")
            await asyncio.sleep(0.1)
        return ready, time.time() - began

    def last_words(self) -> str:
        """Return the end of its log."""
        log = self._process.log
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(line[:LOG_WIDTH] for line in lines[-LOG_LINES:])

    def stop(self) -> None:
        """End it as Kubernetes does, and by force where that takes too long."""
        try:
            self._process.stop(seconds=60)
        except Exception:
            self._process.kill()
            raise

    async def metrics(self) -> Metrics:
        """Return its metrics, as soon as it answers: a blocked event loop doesn't."""
        deadline = time.monotonic() + self._limit
        while not (text := await asyncio.to_thread(self._process.answer, "/metrics")):
            if time.monotonic() > deadline:
                raise ClusterError(f"for {self._limit:.0f} s the operator hasn't answered for its metrics")
            _ = self.pid
        return metrics.parse(text)

    def processor(self) -> float:
        """Return the seconds of processor that it has used so far."""
        return usage.processor_seconds(self.pid)

    async def window(self) -> float:
        """Return the share of a core that it uses for the length of a window."""
        before, began = self.processor(), time.monotonic()
        await asyncio.sleep(WINDOW)
        return (self.processor() - before) / (time.monotonic() - began)

    async def rest(self, limit: float | None = None) -> float | None:
        """Wait until it is at rest, and return the seconds of processor used by then; None where that didn't come in time."""
        deadline = time.monotonic() + (self._limit if limit is None else limit)
        quiet = 0
        while time.monotonic() < deadline:
            quiet = quiet + 1 if await self.window() < max(RESTING, 2 * self.at_rest) else 0
            if quiet >= QUIET_WINDOWS:
                used = self.processor()  # before it is asked for metrics, which costs it some milliseconds
                if not (await self.metrics()).value("daulat_queue_depth"):
                    return used
        return None

    async def learn_rest(self, seconds: float) -> list[float]:
        """Watch it at rest for so long, and keep what it uses in an ordinary second."""
        rates = [await self.window() for _ in range(max(3, int(seconds / WINDOW)))]
        self.at_rest = statistics.median(rates)
        return rates

    async def cost(self, change: Callable[[], Awaitable[object]]) -> Cost:
        """Return what a change costs until the operator is at rest again. It has to be at rest before."""
        before, place = await self.metrics(), self.audit.end()
        used, began = self.processor(), time.monotonic()
        await change()
        by_then = await self.rest()
        wall = time.monotonic() - began
        rested = by_then is not None
        spent = (by_then if by_then is not None else self.processor()) - used - self.at_rest * wall
        passes = (await self.metrics()).passes - before.passes
        return Cost(max(spent, 0.0), wall, passes, tuple(self.audit.since(place)), rested)
