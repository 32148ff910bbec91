"""The operator that is measured: what it uses, its reconciliations and requests, and when it is idle."""

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
"""Share of a core. Below it in QUIET_WINDOWS consecutive windows, and with an empty queue, the operator is idle."""
QUIET_WINDOWS = 3
"""Longer than the operator waits for further changes before it reconciles."""
STARTS_WITHIN = 900.0
LOG_LINES, LOG_WIDTH = 5, 1000
"""How much of the operator's log is printed if the benchmark fails: the file is removed with the cluster."""


class Ended(RuntimeError):
    """The operator's process has exited."""


@dataclass(frozen=True)
class Cost:
    """What one change costs, until the operator is idle again."""

    processor: float
    """Seconds of processor time, minus what an idle operator uses in that time."""
    wall: float
    passes: Counter[str]
    calls: tuple[Call, ...]
    rested: bool
    """Whether the operator was idle again within the limit."""

    @property
    def relisted(self) -> bool:
        """Whether the operator made a periodic full list meanwhile: its cost and reconciliations aren't the change's."""
        return any(c.verb == "list" and c.resource == "nodes" for c in self.calls)


class Subject:
    """The operator of a checkout as a process, with the rights of its chart's ServiceAccount."""

    def __init__(self, cluster: EmbeddedCluster, directory: Path, source: Path, limit: float) -> None:
        self._process = OperatorProcess(cluster, directory, source=source)
        self.audit = Log(cluster.audit_log)
        self._limit = limit
        self.at_rest = 0.0
        """Share of a core that the idle operator uses; 0 before it was measured."""

    @property
    def pid(self) -> int:
        """Its process id. Ended where it doesn't run."""
        if not (pid := self._process.pid):
            raise Ended(f"the operator has exited; its log is {self._process.log}")
        return pid

    async def start(self) -> tuple[float, float]:
        """Start it, and return the seconds until it is ready (facts synced) and until it is leader."""
        await asyncio.to_thread(self._process.start, False)
        began = psutil.Process(self.pid).create_time()
        await asyncio.to_thread(self._process.wait_ready, STARTS_WITHIN)
        ready = time.time() - began
        while not (await self.metrics()).value("daulat_leader"):
            if time.time() - began > STARTS_WITHIN:
                raise ClusterError(f"after {STARTS_WITHIN:.0f} s the operator doesn't lead")
            await asyncio.sleep(0.1)
        return ready, time.time() - began

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        log = self._process.log
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(line[:LOG_WIDTH] for line in lines[-LOG_LINES:])

    def stop(self) -> None:
        """End it with SIGTERM, and with SIGKILL after 60 s."""
        try:
            self._process.stop(seconds=60)
        except Exception:
            self._process.kill()
            raise

    async def metrics(self) -> Metrics:
        """Return its metrics. Retries while the event loop is blocked and nothing answers."""
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
        """Return the share of a core that it uses in the next WINDOW seconds."""
        before, began = self.processor(), time.monotonic()
        await asyncio.sleep(WINDOW)
        return (self.processor() - before) / (time.monotonic() - began)

    async def rest(self, limit: float | None = None) -> float | None:
        """Wait until it is idle, and return its processor time in seconds up to then; None after the limit."""
        deadline = time.monotonic() + (self._limit if limit is None else limit)
        quiet = 0
        while time.monotonic() < deadline:
            quiet = quiet + 1 if await self.window() < max(RESTING, 2 * self.at_rest) else 0
            if quiet >= QUIET_WINDOWS:
                used = self.processor()  # before the scrape, which costs some milliseconds
                if not (await self.metrics()).value("daulat_queue_depth"):
                    return used
        return None

    async def learn_rest(self, seconds: float) -> list[float]:
        """Measure the idle operator for so many seconds, return the share of a core per window, and keep their median."""
        rates = [await self.window() for _ in range(max(3, int(seconds / WINDOW)))]
        self.at_rest = statistics.median(rates)
        return rates

    async def cost(self, change: Callable[[], Awaitable[object]]) -> Cost:
        """Return what a change costs until the operator is idle again. It has to be idle before."""
        before, place = await self.metrics(), self.audit.end()
        used, began = self.processor(), time.monotonic()
        await change()
        by_then = await self.rest()
        wall = time.monotonic() - began
        rested = by_then is not None
        spent = (by_then if by_then is not None else self.processor()) - used - self.at_rest * wall
        passes = (await self.metrics()).passes - before.passes
        return Cost(max(spent, 0.0), wall, passes, tuple(self.audit.since(place)), rested)
