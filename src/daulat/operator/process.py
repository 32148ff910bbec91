"""Wires the process: facts from the mirror, workers while this replica leads, a clean stop."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field

from daulat.api.names import LEASE
from daulat.catalog.kubernetes import Pin
from daulat.facts.platform import Platform
from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.resources import QUEUED, WATCHED
from daulat.mirror.follow import Follower
from daulat.process.health import HealthServer
from daulat.process.lag import measure
from daulat.process.lease import Lease
from daulat.process.lifecycle import until_stopped

from . import metrics
from .factmetrics import Facts
from .leader import Leader

log = logging.getLogger("daulat.operator")

NOTE = "daulat.dev/definitions"
"""The annotation of the Lease in which a leader leaves which definitions it knew."""


@dataclass(frozen=True)
class Options:
    """How the process runs."""

    namespace: str
    identity: str
    port: int = 8080
    weights_image: str = ""
    """The image with which pods fetch and check weights; models that need it are refused where it's empty."""
    platform: Platform = field(default_factory=Platform)
    pin: Pin | None = None
    """What adds to the nodeSelector of pods; None for what the cluster shows."""
    admission_checks: bool = False
    """Whether it is the controller of Kueue's AdmissionChecks that name it."""


class Operator:
    """The process: a mirror of the cluster, and a leader that works on it while this replica holds the Lease."""

    def __init__(self, client: Client, options: Options) -> None:
        self._options = options
        store = Store(options.namespace, options.weights_image, options.platform)
        self._lease = Lease(client, options.namespace, options.identity, LEASE, metrics.LEADER.set)
        self._leader = Leader(client, store, self._lease, options.identity)
        self._store = store
        self._follower = Follower(
            client,
            store,
            self._leader.changed,
            self._leader.everything,
            metrics.mirror(),
            options.pin,
            (*WATCHED, *QUEUED) if options.admission_checks else WATCHED,
        )

    async def run(self) -> int:
        """Run until a signal (0) or a failure after which a fresh start is safer (1)."""
        follower = self._follower
        health = HealthServer(self._options.port, metrics.REGISTRY, follower.not_alive, follower.not_ready)
        metrics.FACTS_AGE.set_function(self._facts_age)
        metrics.REGISTRY.register(Facts(self._store, time.time))
        port = await health.start()
        log.info("started", extra={"port": port, "identity": self._options.identity})
        return await until_stopped(
            [follower.follow(), self._lead(), measure(metrics.LOOP_BLOCKED)],
            [follower.failure],
            [self._stop, self._lease.release, health.stop],
        )

    def _facts_age(self) -> float:
        return time.monotonic() - self._follower.informer.answered

    async def _stop(self) -> None:
        self._follower.stop()

    async def _lead(self) -> str:
        """Wait for the facts and the Lease, then reconcile until the Lease is lost."""
        informer = self._follower.informer
        await informer.synced.wait()
        metrics.SYNCED.set(1)
        await self._lease.acquire()
        informer.recall(_definitions(self._lease.found.get(NOTE, "")))
        self._lease.notes = lambda: {NOTE: json.dumps(informer.definitions, sort_keys=True)}
        return await self._leader.lead()


def _definitions(note: str) -> dict[str, str]:
    """Return the definitions that the leader before knew, by kind; none where the note can't be read."""
    try:
        found = json.loads(note or "{}")
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


async def run(options: Options) -> int:
    """Connect and run the process; return its exit status."""
    client = await Client.connect()
    client.count = lambda method: metrics.REQUESTS.labels(method).inc()
    client.count_failure = lambda method, status: metrics.API_ERRORS.labels(method, status).inc()
    try:
        return await Operator(client, options).run()
    finally:
        await client.close()
