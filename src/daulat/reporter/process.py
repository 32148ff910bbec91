"""Wires the reporter's process: passes while this replica holds the Lease, probes, a clean stop."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from daulat.api.names import REPORTER_LEASE
from daulat.kube.client import Client
from daulat.kube.errors import RequestError
from daulat.process.health import HealthServer
from daulat.process.lag import measure
from daulat.process.lease import Lease
from daulat.process.lifecycle import first_of, until_stopped
from daulat.reports.tally import LIMIT

from . import metrics
from .pace import Pace
from .passes import Passes

log = logging.getLogger("daulat.reporter")

STALLED = 600.0
"""Seconds without a request or an object judged after which a pass is taken to hang."""
RETRY = 10.0
"""Seconds at most from a pass that failed to the next one."""


@dataclass(frozen=True)
class Options:
    """How the process runs."""

    namespace: str
    """The namespace of the Lease, which is the operator's."""
    identity: str
    port: int = 8080
    interval: float = 300.0
    """Seconds from the end of a pass to the next one."""
    rate: float = 100.0
    """Objects that are judged, and requests that are sent, a second at most."""
    limit: int = LIMIT
    """Results that a report lists at most."""


class Process:
    """Makes passes while this replica holds the Lease."""

    def __init__(self, client: Client, options: Options) -> None:
        self._client, self._options = client, options
        self._pace = Pace(options.rate)
        self._passes = Passes(client, options.namespace, self._pace, options.limit)
        self._lease = Lease(client, options.namespace, options.identity, REPORTER_LEASE, metrics.LEADER.set)
        self._busy = False
        client.count = lambda method: metrics.REQUESTS.labels(method).inc()

    async def run(self) -> int:
        """Run until a signal (0) or a failure after which a fresh start is safer (1)."""
        health = HealthServer(self._options.port, metrics.REGISTRY, self._not_alive, lambda: "")
        port = await health.start()
        log.info("started", extra={"port": port, "identity": self._options.identity})
        return await until_stopped(
            [self._lead(), measure(metrics.LOOP_BLOCKED)], [], [self._lease.release, health.stop]
        )

    def _not_alive(self) -> str:
        silent = time.monotonic() - self._pace.spent
        return f"the pass has made no progress for {silent:.0f} s" if self._busy and silent > STALLED else ""

    async def _lead(self) -> str:
        await self._lease.acquire()
        return await first_of(self._lease.keep, self._report)

    async def _report(self) -> None:
        while True:
            await self._lease.good()
            pause = self._options.interval
            self._busy = True
            try:
                made = await self._passes.make()
            except RequestError as error:
                metrics.PASSES.labels("failed").inc()
                log.warning("a pass failed", extra={"error": str(error)[:200]})
                pause = min(pause, RETRY)
            else:
                metrics.PASSES.labels("completed" if made else "idle").inc()
            finally:
                self._busy = False
            await asyncio.sleep(pause)
