"""Wires the process: facts from the feed, workers while this replica leads, a clean stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from daulat.facts.declared import Declared
from daulat.facts.platform import Platform
from daulat.facts.store import CHILD_KINDS, Store
from daulat.kube.client import Client
from daulat.kube.errors import Rejected, RequestError
from daulat.kube.ref import Ref
from daulat.reconcile.model.capacity import KEY as ROOM
from daulat.reconcile.model.capacity import SETTLES
from daulat.reconcile.registry import RECONCILERS, concerned, everything, reconcile
from daulat.reconcile.result import Apply, ApplyStatus, Delete, Outcome

from . import metrics
from .executor import Executor, NameTaken, NotLeader
from .feed import Feed
from .health import HealthServer
from .inbox import Inbox
from .informer import Informer
from .lease import Lease
from .logs import trace
from .queue import Queue

log = logging.getLogger("daulat.operator")

WORKERS = 8
"""How many keys are worked on at once. Decisions are made one after the other; what overlaps is the wait for answers."""
ONE_BY_ONE = frozenset(RECONCILERS) - {"Node", "SovereignModel"}
"""Kinds of which one key at a time is worked on: a policy's guards, and what all policies share, follow each other in order."""
DELAYS = {ROOM: SETTLES}
"""Seconds for which some keys wait for more news. All do where it is of a pod or of an object that was made: such come in series,
and one look at the last is enough."""


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
        self._one_by_one = asyncio.Lock()
        # Counted when somebody asks: at every pass it would cost more, the more there are.
        metrics.QUEUE.set_function(self._queue.due)
        for phase in ("Pending", "Placing", "Ready", "Refused"):
            metrics.MODELS.labels(phase).set_function(partial(self._models, phase))
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
            Inbox(loop, self._informer.take).put,
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
            gathers = SETTLES if changed.kind == "Pod" or changed.kind in CHILD_KINDS else 0.0
            for key in concerned(changed, self._store.snapshot()):
                self._queue.add(key, max(gathers, DELAYS.get(key, 0.0)))

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
        workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]
        keeper = asyncio.create_task(self._lease.keep())
        try:
            done, _ = await asyncio.wait([*workers, keeper], return_when=asyncio.FIRST_COMPLETED)
            ended = next((error for task in done if (error := task.exception()) is not None), None)
            return f"a worker ended: {ended!r}" if ended is not None else "the lease was lost"
        finally:
            for task in (*workers, keeper):
                task.cancel()
            await asyncio.gather(*workers, keeper, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._lease.good()
                if key.kind in ONE_BY_ONE:
                    async with self._one_by_one:
                        await self._try(key)
                else:
                    await self._try(key)
            finally:
                self._queue.done(key)
            await asyncio.sleep(0)

    async def _try(self, key: Ref) -> None:
        with metrics.DURATION.labels(key.kind).time():
            try:
                await self._pass(key)
            except NotLeader:
                self._queue.add(key)
            except RequestError as error:
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

    async def _pass(self, key: Ref) -> None:
        outcome = self._decide(key)
        refusal: str | None = None
        for effect in outcome.effects:
            # Where something new was refused, nothing old is taken away: what was in force stays in force.
            if refusal is not None and isinstance(effect, Apply | Delete):
                continue
            try:
                await self._executor.run(effect)
            except NameTaken as error:
                refusal = str(error)
            except Rejected as error:
                # What the API server won't have is for people to see in the status; the rest is worth another try.
                if not isinstance(effect, Apply):
                    raise
                refusal = f"{effect.manifest['kind']} {effect.manifest['metadata']['name']}: {error.message}"
        if any(isinstance(e, Apply) for e in outcome.effects) and self._store.record_obstacle(key, refusal):
            if refusal:
                log.warning("the API server refused", extra={"key": str(key), "answer": refusal[:1000]})
            self._queue.add(key)
        for other in outcome.also:
            self._queue.add(other, DELAYS.get(other, 0.0))
        if outcome.requeue_after is not None:
            self._queue.add(key, outcome.requeue_after)
        self._observe(key)

    def _decide(self, key: Ref) -> Outcome:
        """Decide on the facts as they are, and on all that was decided before, whether it is written yet or not.

        There must be no await in here: the devices that one decision gives away are gone before the next is made.
        """
        outcome = reconcile(key, self._store.snapshot(), time.time())
        if key.kind == "SovereignModel":
            told = next((e.status for e in outcome.effects if isinstance(e, ApplyStatus)), None)
            self._store.promise(key, told)
        return outcome

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

    def _models(self, phase: str) -> int:
        models = self._store.snapshot().models.values()
        return sum(isinstance(m, Declared) and (m.status.get("phase") or "Pending") == phase for m in models)

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
    client.count = lambda method: metrics.REQUESTS.labels(method).inc()
    try:
        return await Operator(client, options).run()
    finally:
        await client.close()


def default_identity() -> str:
    """Return a name for this replica: the pod's, or the machine's and the process's."""
    return os.environ.get("POD_NAME") or f"{os.uname().nodename}-{os.getpid()}"
