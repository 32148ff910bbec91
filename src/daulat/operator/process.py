"""Wires the process: facts from the mirror, workers while this replica leads, a clean stop."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from dataclasses import dataclass, field
from typing import Any

from daulat.catalog.kubernetes import Pin
from daulat.facts.platform import Platform
from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.mirror.feed import Feed
from daulat.mirror.inbox import Inbox
from daulat.mirror.informer import Informer

from . import metrics
from .health import HealthServer
from .lag import measure
from .leader import Leader
from .lease import Lease

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


class Operator:
    """The process: a mirror of the cluster, and a leader that works on it while this replica holds the Lease."""

    def __init__(self, client: Client, options: Options) -> None:
        self._options = options
        self._store = Store(options.namespace, options.weights_image, options.platform)
        self._lease = Lease(client, options.namespace, options.identity)
        self._leader = Leader(client, self._store, self._lease, options.identity)
        self._informer = Informer(
            client, self._store, self._leader.changed, metrics.mirror(), self._leader.everything, options.pin
        )
        self._feed: Feed | None = None
        self._failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self) -> int:
        """Run until a signal (0) or a failure after which a fresh start is safer (1)."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        health = HealthServer(self._options.port, self._not_alive, self._not_ready)
        port = await health.start()
        log.info("started", extra={"port": port, "identity": self._options.identity})
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._lead())]
        lag = asyncio.create_task(measure(metrics.LOOP_BLOCKED))
        ended = asyncio.create_task(stop.wait())
        everyone: list[asyncio.Future[Any]] = [ended, self._failure, *tasks]
        done, _ = await asyncio.wait(everyone, return_when=asyncio.FIRST_COMPLETED)
        for task in [*tasks, ended, lag]:
            task.cancel()
        await asyncio.gather(*tasks, ended, lag, return_exceptions=True)
        if self._feed is not None:
            self._feed.stop()
        await self._lease.release()
        await health.stop()
        if ended in done:
            log.info("stopped")
            return 0
        reasons = [str(t.exception() or t.result()) for t in done]
        log.error("ended", extra={"why": "; ".join(reasons)})
        return 1

    async def _follow(self) -> str:
        await self._informer.sync()
        await asyncio.gather(self._watch(), self._informer.poll(), self._informer.resync(self._leader.everything))
        return "unreachable"

    async def _watch(self) -> None:
        """Watch every kind in the version in which it is served, and in another one when that changes, as by an upgrade."""
        loop = asyncio.get_running_loop()

        def ended() -> None:
            _call(loop, self._fail, "the watches ended")

        while True:
            inbox = Inbox(loop, self._informer.take)
            self._feed = Feed(inbox.put, ended, self._store.capabilities)
            self._informer.streams_begin()
            self._feed.start()
            reasons = [
                asyncio.ensure_future(self._informer.until_served_otherwise()),
                asyncio.ensure_future(self._informer.registered_anew.wait()),
            ]
            try:
                await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in reasons:
                    each.cancel()
            log.info("watching anew, since kinds are served in other versions or by another server")
            await asyncio.to_thread(self._feed.stop)
            # What comes from here on is from streams that are opened from here on.
            inbox.close()
            self._informer.registered_anew.clear()
            await self._informer.relist()
            self._leader.everything()

    async def _lead(self) -> str:
        """Wait for the facts and the Lease, then reconcile until the Lease is lost."""
        await self._informer.synced.wait()
        metrics.SYNCED.set(1)
        await self._lease.acquire()
        self._informer.recall(_definitions(self._lease.found.get(NOTE, "")))
        self._lease.notes = lambda: {NOTE: json.dumps(self._informer.definitions, sort_keys=True)}
        return await self._leader.lead()

    def _fail(self, why: str) -> None:
        if not self._failure.done():
            self._failure.set_result(why)

    def _not_alive(self) -> str:
        stalled = self._informer.stalled()
        return f"the watches of {', '.join(stalled)} deliver nothing" if stalled else ""

    def _not_ready(self) -> str:
        # Kinds that clusters do without aren't waited for: a rollout of the operator would stop for them.
        if self._informer.synced.is_set():
            untrusted = self._store.snapshot().untrusted
            return "; ".join(why for _, why in sorted(untrusted.items()))
        why = self._informer.failures
        unlisted = (f"{kind} ({why[kind]})" if kind in why else kind for kind in self._informer.unlisted())
        return f"facts are not synced yet: {', '.join(unlisted)} couldn't be listed"


def _definitions(note: str) -> dict[str, str]:
    """Return the definitions that the leader before knew, by kind; none where the note can't be read."""
    try:
        found = json.loads(note or "{}")
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _call(loop: asyncio.AbstractEventLoop, function: Any, *args: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *args)


async def run(options: Options) -> int:
    """Connect and run the process; return its exit status."""
    client = await Client.connect()
    client.count = lambda method: metrics.REQUESTS.labels(method).inc()
    try:
        return await Operator(client, options).run()
    finally:
        await client.close()


def default_identity() -> str:
    """Return a name for this replica: the pod's, or the machine's and the process's."""
    return os.environ.get("POD_NAME") or f"{os.uname().nodename}-{os.getpid()}"
