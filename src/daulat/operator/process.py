"""Wires the process: facts from the feed, one worker while this replica leads, a clean stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from daulat.facts.declared import Declared
from daulat.facts.platform import Platform
from daulat.facts.ref import Ref
from daulat.facts.store import Store
from daulat.reconcile.dispatch import concerned, everything, reconcile
from daulat.reconcile.effects import Apply, Delete

from . import metrics
from .client import ApiError, Client
from .executor import Executor, NameTaken, NotLeader
from .feed import Feed
from .health import HealthServer
from .informer import Informer
from .lease import Lease
from .logs import trace
from .queue import Queue

log = logging.getLogger("daulat.operator")


@dataclass(frozen=True)
class Options:
    """How the process runs."""

    namespace: str
    identity: str
    port: int = 8080
    weights_image: str = ""
    """The image with which pods fetch and check weights; models that need it are refused where it's empty."""
    platform: Platform = field(default_factory=Platform)


class Operator:
    """The process."""

    def __init__(self, client: Client, options: Options) -> None:
        self._client, self._options = client, options
        self._store = Store(options.namespace, options.weights_image, options.platform)
        self._queue = Queue()
        self._lease = Lease(client, options.namespace, options.identity)
        self._leads = False
        self._executor = Executor(client, self._store, self._lease.held, time.time, options.identity)
        self._informer = Informer(client, self._store, self._ask)
        self._failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self) -> int:
        """Run until a signal (0) or a failure after which a fresh start is safer (1)."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        feed = Feed(
            lambda kind, type_, raw: _call(loop, self._informer.take, kind, type_, raw),
            lambda: _call(loop, self._fail, "the watches ended"),
        )
        health = HealthServer(self._options.port, self._not_alive, self._not_ready)
        port = await health.start()
        log.info("started", extra={"port": port, "identity": self._options.identity})
        tasks = [asyncio.create_task(self._follow(feed)), asyncio.create_task(self._lead())]
        ended = asyncio.create_task(stop.wait())
        everyone: list[asyncio.Future[Any]] = [ended, self._failure, *tasks]
        done, _ = await asyncio.wait(everyone, return_when=asyncio.FIRST_COMPLETED)
        for task in [*tasks, ended]:
            task.cancel()
        await asyncio.gather(*tasks, ended, return_exceptions=True)
        feed.stop()
        await self._lease.release()
        await health.stop()
        if ended in done:
            log.info("stopped")
            return 0
        reasons = [str(t.exception() or t.result()) for t in done]
        log.error("ended", extra={"why": "; ".join(reasons)})
        return 1

    async def _follow(self, feed: Feed) -> str:
        await self._informer.sync()
        feed.start()
        await self._informer.resync(self._ask_all)
        return "unreachable"

    def _ask(self, changed: Ref) -> None:
        # Not whether the Lease is good just now: what is heard while it can't be renewed is due once it is.
        if self._leads:
            for key in concerned(changed, self._store.snapshot()):
                self._queue.add(key)

    def _ask_all(self) -> None:
        if self._leads:
            for key in everything(self._store.snapshot()):
                self._queue.add(key)

    async def _lead(self) -> str:
        """Wait for the facts and the Lease, then reconcile until the Lease is lost."""
        await self._informer.synced.wait()
        await self._lease.acquire()
        self._leads = True
        self._ask_all()
        worker = asyncio.create_task(self._work())
        keeper = asyncio.create_task(self._lease.keep())
        try:
            await asyncio.wait([worker, keeper], return_when=asyncio.FIRST_COMPLETED)
            if worker.done() and (error := worker.exception()) is not None:
                return f"the worker ended: {error!r}"
            return "the lease was lost"
        finally:
            worker.cancel()
            keeper.cancel()
            await asyncio.gather(worker, keeper, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            await self._lease.good()
            metrics.QUEUE.set(self._queue.due())
            with metrics.DURATION.labels(key.kind).time():
                try:
                    await self._pass(key)
                except NotLeader:
                    self._queue.add(key)
                except (ApiError, OSError, TimeoutError) as error:
                    pause = self._queue.failed(key)
                    metrics.RECONCILES.labels(key.kind, "error").inc()
                    log.warning("will try again", extra={"key": str(key), "error": str(error)[:500], "seconds": pause})
                except Exception as error:  # noqa: BLE001 - one object that trips a defect must not stop the others
                    pause = self._queue.failed(key)
                    metrics.RECONCILES.labels(key.kind, "defect").inc()
                    log.error("a pass failed", extra={"key": str(key), "seconds": pause, **trace(error)})
                else:
                    self._queue.succeeded(key)
                    metrics.RECONCILES.labels(key.kind, "ok").inc()
            await asyncio.sleep(0)

    async def _pass(self, key: Ref) -> None:
        outcome = reconcile(key, self._store.snapshot(), time.time())
        refusal: str | None = None
        for effect in outcome.effects:
            # Where something new was refused, nothing old is taken away: what was in force stays in force.
            if refusal is not None and isinstance(effect, Apply | Delete):
                continue
            try:
                await self._executor.run(effect)
            except NameTaken as error:
                refusal = str(error)
            except ApiError as error:
                # What the API server won't have is for people to see in the status; the rest is worth another try.
                if not isinstance(effect, Apply) or error.status not in (400, 403, 409, 422):
                    raise
                refusal = f"{effect.manifest['kind']} {effect.manifest['metadata']['name']}: {error.message}"
        if any(isinstance(e, Apply) for e in outcome.effects) and self._store.record_obstacle(key, refusal):
            if refusal:
                log.warning("the API server refused", extra={"key": str(key), "answer": refusal[:1000]})
            self._queue.add(key)
        for other in outcome.also:
            self._queue.add(other)
        if outcome.requeue_after is not None:
            self._queue.add(key, outcome.requeue_after)
        self._observe(key)

    def _observe(self, key: Ref) -> None:
        snapshot = self._store.snapshot()
        if key.kind == "SovereigntyPolicy":
            policy = snapshot.policies.get(key.name)
            if policy is None:
                for gauge in (metrics.ENFORCED, metrics.NODES):
                    if (key.name,) in gauge._metrics:
                        gauge.remove(key.name)
                return
            conditions = {c["type"]: c["status"] for c in policy.status.get("conditions") or ()}
            metrics.ENFORCED.labels(key.name).set(conditions.get("Enforced") == "True")
            metrics.NODES.labels(key.name).set(policy.status.get("eligibleNodes") or 0)
        elif key.kind == "SovereignModel":
            counts = dict.fromkeys(("Pending", "Placing", "Ready", "Refused"), 0)
            for model in snapshot.models.values():
                phase = model.status.get("phase") or "Pending"
                counts[phase] = counts.get(phase, 0) + isinstance(model, Declared)
            for phase, count in counts.items():
                metrics.MODELS.labels(phase).set(count)

    def _fail(self, why: str) -> None:
        if not self._failure.done():
            self._failure.set_result(why)

    def _not_alive(self) -> str:
        deaf = self._informer.deaf()
        return f"the watches of {', '.join(deaf)} deliver nothing" if deaf else ""

    def _not_ready(self) -> str:
        return "" if self._informer.synced.is_set() else "facts are not synced yet"


def _call(loop: asyncio.AbstractEventLoop, function: Any, *args: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *args)


async def run(options: Options) -> int:
    """Connect and run the process; return its exit status."""
    client = await Client.connect()
    try:
        return await Operator(client, options).run()
    finally:
        await client.close()


def default_identity() -> str:
    """Return a name for this replica: the pod's, or the machine's and the process's."""
    return os.environ.get("POD_NAME") or f"{os.uname().nodename}-{os.getpid()}"
