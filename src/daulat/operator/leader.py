"""Reconciles while this replica leads: changes wake keys, workers decide on the facts as they are, and results are carried out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial

from daulat.api.timestamps import seconds
from daulat.facts.change import Change
from daulat.facts.charge import Charge
from daulat.facts.report import Report
from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.errors import ApiError, RequestError
from daulat.kube.ref import Ref
from daulat.logs import trace
from daulat.process.lease import Lease
from daulat.process.lifecycle import first_of
from daulat.reconcile.registry import BY_KIND, everything, is_due, reconcile, woken
from daulat.reconcile.result import Delete, Result

from . import metrics
from .carry import Carrier, Outcome
from .enforcement import Enforcement
from .evictor import Evictor
from .executor import Executor, NotLeader
from .queue import Queue

log = logging.getLogger("daulat.operator")

WORKERS = 8
"""Keys that are worked on at once. Decisions are made one after the other; what overlaps is the wait for answers."""
RETRY = 15.0
"""Seconds after which a key is tried again of which the API server refused something."""
MARGIN = 0.05
"""Seconds by which a key comes back later than a deletion of it may be tried again."""
POLICIES_FIRST = 30.0
"""Seconds that models wait at most, when an operator starts to lead, until all policies were looked at."""
AT_ONCE = 20
"""Keys that are looked at together then."""
SPREAD = 240.0
"""Seconds over which all keys are looked at now and then: all at once would hold up what is news."""


class Leader:
    """The workers, with their queues. Keys of serial controllers have a queue and a worker of their own."""

    def __init__(self, client: Client, store: Store, lease: Lease, identity: str) -> None:
        self._store, self._lease = store, lease
        self._queue, self._serial = Queue(self._priority), Queue(self._priority)
        self._executor = Executor(client, store, lease.held, time.time, identity, self.changed)
        self._evictor = Evictor(self._delete, self._not_deleted)
        self._carrier = Carrier(self._executor, self._evictor)
        self._leads = False
        self._enforcement = Enforcement(metrics.ENFORCEMENT.observe)
        # Counted when somebody asks: at every pass it would cost more, the more there are.
        metrics.QUEUE.set_function(lambda: self._queue.due() + self._serial.due())

    def changed(self, change: Change) -> None:
        """Wake the keys that a change concerns, whoever brought it."""
        if change.ref.kind == "SovereigntyPolicy":
            self._enforcement.heard(change, time.monotonic())
        if change.after is None:
            self._executor.forget(change.ref)
        # Not whether the Lease is good just now: what is heard while it can't be renewed is due once it is.
        if self._leads:
            for key, settle in woken(change, self._store.snapshot()):
                self._add(key, settle)

    def everything(self) -> None:
        """Look at all keys in the minutes to come."""
        if self._leads:
            loop, keys = asyncio.get_running_loop(), list(everything(self._store.snapshot()))
            gap = SPREAD / max(len(keys), 1)
            for first in range(0, len(keys), AT_ONCE):
                loop.call_later(gap * first, self._review, keys[first : first + AT_ONCE], gap)

    def _review(self, keys: Sequence[Ref], gap: float) -> None:
        """Ask for those of the keys that need a pass, so many seconds apart: what is news has its turn in between."""
        if self._leads:
            snapshot = self._store.snapshot()
            for number, key in enumerate(keys):
                if is_due(key, snapshot):
                    self._add(key, gap * number)

    async def lead(self) -> str:
        """Reconcile until the Lease is lost; return why it ended."""
        self._take_over()
        self._enforcement.begin()
        self._leads = True
        models = []
        for key in everything(self._store.snapshot()):
            if key.kind == "SovereignModel":
                models.append(key)
            else:
                self._add(key)
        try:
            return await first_of(
                partial(self._after_policies, models),
                self._lease.keep,
                self._evictor.run,
                partial(self._work, self._serial),
                *[partial(self._work, self._queue)] * WORKERS,
            )
        finally:
            self._evictor.clear()

    async def _after_policies(self, models: Sequence[Ref]) -> None:
        """Look at the models once all policies were looked at, and keep quiet then.

        Pods that are made before the guards of their namespace are in force are refused, and controllers try again ever later.
        """
        deadline = time.monotonic() + POLICIES_FIRST
        await asyncio.sleep(0)
        while not self._serial.idle() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        for key in models:
            self._add(key)
        await asyncio.Event().wait()

    def _take_over(self) -> None:
        """Count what the leader before has evicted, as the statuses add it up."""
        for policy in self._store.snapshot().known_policies.values():
            brake = policy.status.brake
            if brake is not None and brake.evicted and brake.last_eviction_time:
                charge = Charge("", brake.evicted, seconds(brake.last_eviction_time))
                self._store.record_charge(policy.name, charge)

    def _priority(self, key: Ref) -> int:
        controller = BY_KIND.get(key.kind)
        return controller.priority(key, self._store.snapshot()) if controller else 0

    def _of(self, key: Ref) -> Queue:
        controller = BY_KIND.get(key.kind)
        return self._serial if controller is not None and controller.serial else self._queue

    def _add(self, key: Ref, delay: float = 0.0) -> None:
        self._of(key).add(key, delay)

    async def _work(self, queue: Queue) -> None:
        while True:
            key = await queue.get()
            try:
                await self._lease.good()
                await self._try(key)
            finally:
                queue.done(key)
            await asyncio.sleep(0)

    async def _try(self, key: Ref) -> None:
        queue = self._of(key)
        with metrics.DURATION.labels(key.kind).time():
            try:
                await self._pass(key)
            except NotLeader:
                queue.add(key)
            except RequestError as error:
                after = error.retry_after if isinstance(error, ApiError) else None
                pause = queue.failed(key, after or 0.0)
                metrics.RECONCILES.labels(key.kind, "error").inc()
                log.warning("will try again", extra={"key": str(key), "error": str(error)[:500], "seconds": pause})
            except Exception as error:  # noqa: BLE001 - one object that trips a defect must not stop the others
                pause = queue.failed(key)
                metrics.RECONCILES.labels(key.kind, "defect").inc()
                log.error("a pass failed", extra={"key": str(key), "seconds": pause, **trace(error)})
            else:
                queue.succeeded(key)
                metrics.RECONCILES.labels(key.kind, "ok").inc()

    async def _pass(self, key: Ref) -> None:
        """Decide, carry the decision out, and tell what became of it. Raises the first transient error when all is done."""
        result = self._decide(key)
        before = self._store.snapshot()
        outcome = await self._carrier.stages(key, result)
        result = self._retold(key, result, outcome, before.canaries)
        await self._carrier.tell(result, outcome)
        for other in result.enqueue:
            self._add(other)
        if result.requeue_after is not None:
            self._add(key, result.requeue_after)
        if outcome.untold:
            log.warning("couldn't write the status", extra={"key": str(key), "answer": outcome.untold[:1000]})
        if outcome.report != Report() or outcome.untold:
            self._add(key, RETRY)
        if outcome.transient:
            raise outcome.transient[0]

    def _decide(self, key: Ref) -> Result:
        """Decide on the facts as they are, and on all that was decided before, whether it is written yet or not.

        There must be no await in here: the devices that one decision gives away are gone before the next is made, and so is what
        the brakes let go.
        """
        now = time.time()
        for change in self._store.advance(now):
            self.changed(change)
        result = reconcile(key, self._store.snapshot(), now)
        self._assume(key, result)
        for effect in result.evict:
            for policy in effect.charged_to if effect.pods else ():
                metrics.EVICTED.labels(policy).inc(effect.pods)
                self._store.record_charge(policy, Charge(effect.charge_id or effect.uid, effect.pods, now))
        return result

    def _retold(self, key: Ref, result: Result, outcome: Outcome, canaries: object) -> Result:
        """Return the result with the status as it is after the other stages: decided anew, where these brought any news."""
        snapshot = self._store.snapshot()
        proved = bool(result.prove) and snapshot.canaries != canaries
        if not self._store.record_report(key, outcome.report) and not proved:
            return result
        if outcome.apply:
            log.warning("couldn't be applied", extra={"key": str(key), "answer": outcome.apply[:1000]})
        latest = reconcile(key, self._store.snapshot(), time.time())
        self._assume(key, latest)
        return latest

    def _assume(self, key: Ref, result: Result) -> None:
        if key.kind in ("SovereignModel", "SovereigntyPolicy"):
            told = result.status or result.reserve
            if key.kind == "SovereigntyPolicy" and result.status:
                self._enforcement.decided(key.name, told[0].decided, time.monotonic())
            self._store.assume(key, told[0].decided if told else None)

    async def _delete(self, effect: Delete) -> None:
        await self._lease.good()
        # It was decided on facts that were believed. What came after may say otherwise, once it is known to be true.
        while self._store.snapshot().untrusted:
            await asyncio.sleep(1)
        await self._executor.run(effect)

    def _not_deleted(self, key: Ref, effect: Delete, pause: float) -> None:
        # The pass that wants a workload deleted waits for it, and comes back by itself.
        if effect.ref.kind == "Pod":
            self._add(key, pause + MARGIN)
