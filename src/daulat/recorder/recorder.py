"""Turns changes of the facts into entries while this replica writes.

What is recorded goes by what holds now beside what is recorded already, so a change that is heard twice, or whose entry couldn't be
written at once, does no harm. Only what came and went between two looks needs the change itself: a pod that is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import cache
from typing import Any

from daulat.evidence import present
from daulat.evidence.book import RUN, Book, Outgoing
from daulat.evidence.chips import CHIP, INVENTORY, Looks
from daulat.evidence.draft import Draft
from daulat.evidence.machine import Machine
from daulat.evidence.personal import Pseudonyms
from daulat.evidence.records import Gap, GapOpened, Heartbeat
from daulat.evidence.run import Ended, Run
from daulat.evidence.subject import Present, Subject
from daulat.evidence.times import comparable, rfc3339
from daulat.facts.change import Change
from daulat.facts.declared import Unparsable
from daulat.facts.devices import Allocation
from daulat.facts.snapshot import Snapshot
from daulat.facts.store import Store
from daulat.kube.ref import Ref
from daulat.ledger.errors import LedgerError

from . import metrics
from .audit.intake import Unavailable
from .defects import survived
from .keeper import Keeper
from .persons import Persons

log = logging.getLogger("daulat.recorder")

TICK = 0.5
"""Seconds between looks at what has changed. What changes within them becomes one entry."""
DECLARED = 5.0
"""Seconds between looks at the statuses of Daulat's own kinds, since a status is no change of a fact; and between two sweeps."""
EVERYTHING = 300.0
"""Seconds between looks at everything."""
HEARTBEAT = 300.0
"""Seconds without an entry after which there is one that says so: it bounds how long a gap can be."""
RETRY, LAST_RETRY = 1.0, 30.0
"""Seconds before the log is tried again: the first time, and at most."""
LIMIT = 100_000
"""Entries that wait for the log, beyond which nothing is accepted from others."""
MISSED = 20_000
"""Pods that are gone and wait to be recorded, beyond which they are only counted, as while the disk is full: some 30 MB."""
BATCH = 2_000
"""Entries that are appended at once."""
STEP = 200
"""Pods or other objects that are looked at before others of the loop have their turn."""


async def _at_once() -> None:
    """Let the log be written without a Lease."""


class Recorder:
    """What one process records."""

    def __init__(
        self,
        store: Store,
        keeper: Keeper,
        pseudonyms: Pseudonyms,
        clock: Callable[[], float] = time.time,
        may_write: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        """``may_write`` returns once this replica holds the Lease: a log that failed may be written by another one by now."""
        self._may_write = may_write
        self._store, self._keeper, self._clock = store, keeper, clock
        self._persons = Persons(pseudonyms, keeper.exemption)
        self._book = Book()
        self._chips = Looks()
        self._pending: list[Outgoing] = []
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        """What others wait for: from which entry on that was ever queued, and up to which."""
        self._queued = self._appended = 0
        """How many entries were ever queued, and how many of them are on the disk."""
        self._tried: Sequence[Outgoing] = ()
        """What couldn't be appended, as far as the writer knows: the log has all of it or nothing."""
        self._step: asyncio.Future[bool] | None = None
        """The newest use of the log by a thread, which goes on if the task that waits for it is cancelled."""
        self._dirty: dict[str, Run] = {}
        """Pods that have changed, by uid, as they were known last."""
        self._gone: set[str] = set()
        """Those of them that don't exist any more."""
        self._missed = Counter[str]()
        """What was dropped because too much waits for the log, by what it is."""
        self._looked = clock()
        """When changes were looked at last. What was dropped came after that."""
        self._running: dict[str, float] = {}
        """When a pod was seen running last, by uid."""
        self._unreadable: dict[str, frozenset[str]] = {}
        """The namespaces that policies governed when they were recorded last, by the uids of those that can't be read now."""
        self._over: set[str] = set()
        """Pods that are finished and whose end is recorded."""
        self._nodes: set[str] = set()
        self._runs_on: defaultdict[str, set[str]] = defaultdict(set)
        self._sweep = self._writes = False
        self._wake = asyncio.Event()
        self.problem = ""
        """Why nothing can be recorded now; empty where that works."""

    def changed(self, change: Change) -> None:
        """Note a change."""
        if not self._writes:
            return
        kind, before, after = change.ref.kind, change.before, change.after
        if kind == "Pod":
            if isinstance(before, Run) and (after is None or after.uid != before.uid):
                self._note_gone(before)
            if isinstance(after, Run):
                self._dirty[after.uid] = after
        elif kind == "Node":
            self._nodes.add(change.ref.name)
            self._sweep |= after is None
        elif kind == "SovereignModel":
            pods = self._store.snapshot().pods_by_model.get((change.ref.namespace, change.ref.name), ())
            self._dirty |= {p.uid: p for p in pods if isinstance(p, Run)}
            self._sweep |= after is None
        elif isinstance(change.latest, Allocation):
            self._touch(Ref("Pod", change.ref.namespace, name) for name in change.latest.pods)
        elif kind != "ResourceSlice":
            self._sweep = True

    def _note_gone(self, run: Run) -> None:
        """Note that a pod is gone. One too many is only counted: where its start is recorded, its end is found by a sweep."""
        if len(self._gone) < MISSED:
            self._dirty[run.uid] = run
            self._gone.add(run.uid)
        else:
            self._dirty.pop(run.uid, None)
            self._missed["pods that are gone"] += 1
            self._sweep = True

    @property
    def writes(self) -> bool:
        """Whether this replica writes the log."""
        return self._writes

    def everything(self) -> None:
        """Look at everything again."""
        self._sweep = True

    async def accept(self, drafts: Sequence[Draft]) -> None:
        """Record what doesn't come from the mirror; return once it is on the disk. Unavailable where that can't be now."""
        if not self._writes or self.problem or len(self._pending) + len(drafts) > LIMIT:
            raise Unavailable(self.problem or "this replica doesn't write")
        start = self._queued
        self._queue(drafts)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((start, self._queued, written))
        await written

    def note(self, drafts: Iterable[Draft]) -> None:
        """Record what doesn't come from the mirror, without waiting for the disk. What is too much is only counted."""
        room = max(LIMIT - len(self._pending), 0)
        found = list(drafts)
        # Gaps are few, and what they say is what the log lacks.
        kept = [d for n, d in enumerate(found) if n < room or d.kind in (Gap.kind, GapOpened.kind)]
        if len(kept) < len(found):
            self._missed["entries of events"] += len(found) - len(kept)
        self._queue(kept)

    def _queue(self, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            self._put(Outgoing(draft.kind, draft.data))
        self._wake.set()

    async def begin(self, drafts: Callable[[str], Sequence[Draft]]) -> None:
        """Open the log, however often that takes, and record what holds now. ``drafts`` gets the time of the newest entry."""
        await self._open()
        self._writes = True
        self.note(drafts(self._keeper.last_time()))
        await self.look(whole=True, statuses=True)

    async def write(self) -> None:
        """Record for ever, after ``begin``."""
        declared = everything = quiet = time.monotonic()
        while True:
            now = time.monotonic()
            whole = now - everything >= EVERYTHING or (self._sweep and now - declared >= DECLARED)
            await self.look(whole=whole, statuses=now - declared >= DECLARED)
            declared = now if whole or now - declared >= DECLARED else declared
            everything = now if whole else everything
            if self._pending:
                quiet = now
            elif now - quiet >= HEARTBEAT:
                self.note([Heartbeat().draft()])
                quiet = now
            await self.flush()
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), TICK)
            except TimeoutError:
                continue

    async def look(self, *, whole: bool, statuses: bool) -> None:
        """Queue what has changed: of pods and nodes that were heard of, of all statuses, or of the whole cluster."""
        self._state_what_was_missed()
        await self._look_at_unreadable_policies()
        with survived():
            self._tell_the_time()
            if whole:
                await self._look_at_everything()
        self._look_at_changes()
        if statuses and not whole:
            self._put_each(present.declared(self._store.snapshot(), self._persons.of))
            with survived():
                self._put_all(self._chips.changed(self._store.snapshot()))

    async def _look_at_unreadable_policies(self) -> None:
        """Find out what policies that can't be read governed: pods that come and go there meanwhile are runs."""
        policies = self._store.snapshot().policies.values()
        known, self._unreadable = self._unreadable, {}
        for uid in [policy.uid for policy in policies if isinstance(policy, Unparsable)]:
            found = known.get(uid)
            if found is None:
                found = await asyncio.to_thread(self._keeper.governed, uid)
            if found is not None:
                self._unreadable[uid] = found

    def _state_what_was_missed(self) -> None:
        """Record what was dropped since the last look as a gap."""
        now, since = self._clock(), self._looked
        self._looked = now
        if not self._missed:
            return
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self._missed.items()))
        self._missed.clear()
        reason = f"more waited for the log than is kept, so some entries are missing: {counts}"
        metrics.GAPS.labels("Recorder").inc()
        self.note([Gap(of="Recorder", since=rfc3339(since), until=rfc3339(now), reason=reason).draft()])

    async def stop(self) -> None:
        """Write what waits, where that works at once, and close the log."""
        self._writes = False
        if self._step is not None:
            # The task that used the log was cancelled, its thread wasn't: two threads would append the same entries.
            await asyncio.wait([self._step])
        if self._keeper.is_open:
            self._state_what_was_missed()
            self._look_at_changes()
            while self._pending and await self._use(self._append_once(self._next())):
                pass
        for _, _, future in self._waiting:
            if not future.done():
                future.set_exception(Unavailable("this replica ends"))
        await asyncio.to_thread(self._keeper.close)

    def has_event(self, uid: str) -> bool:
        """Say whether an Event is recorded, or about to be."""
        return self._keeper.has_event(uid) or any(out.data.get("event") == uid for out in self._pending)

    def _tell_the_time(self) -> None:
        """Have the facts know the time, by which statements begin and end to be evidence."""
        for change in self._store.advance(self._clock()):
            self.changed(change)

    def _look_at_changes(self) -> None:
        """Record what the changes since the last look make."""
        if not (self._dirty or self._nodes):
            return
        snapshot = self._store.snapshot()
        governing = cache(snapshot.governing)
        names, self._nodes = self._nodes, set()
        for name in sorted(names):
            with survived():
                self._look_at_node(name, snapshot)
        pods, self._dirty = self._dirty, {}
        gone, self._gone = self._gone, set()
        for uid, run in pods.items():
            with survived():
                self._look_at_run(run, snapshot, governing, gone=uid in gone)

    def _look_at_node(self, name: str, snapshot: Snapshot) -> None:
        found = present.node(name, snapshot)
        if found is not None and self._put_present(found):
            self._touch(filter(None, map(self._book.pod, self._runs_on.get(name, ()))))

    def _touch(self, pods: Iterable[Ref]) -> None:
        """Look at these pods again."""
        known = self._store.snapshot().pods
        for ref in pods:
            if isinstance(pod := known.get(ref), Run):
                self._dirty.setdefault(pod.uid, pod)

    def _look_at_run(self, run: Run, snapshot: Snapshot, governing: present.Governing, *, gone: bool) -> None:
        ended = run.as_gone() if gone else run.ended
        subject = Subject(RUN, run.uid)
        # What is recorded already stays as it is: of what such a policy says now nothing is known.
        unreadable = () if subject in self._book else self._unreadably_governing(run.namespace)
        found = present.governed_run(run, snapshot, governing, self._persons.of, unreadable)
        if ended is None and found is not None:
            self._put_present(found)
            self._running[run.uid] = self._clock()
            self._runs_on[run.node].add(run.uid)
        elif ended is None:
            # A policy that can't be read, or a namespace that isn't known any more, decides nothing.
            if run.namespace in snapshot.namespaces and not snapshot.unparsable_policies():
                self._end(subject, Ended("NotGoverned", ""))
        else:
            if found is not None and subject not in self._book and not self._is_over(run.uid):
                # It came and went between two looks.
                self._put_present(found)
            self._end(subject, self._believed(run.uid, ended))
            self._runs_on[run.node].discard(run.uid)
            (self._over.discard if gone else self._over.add)(run.uid)

    def _unreadably_governing(self, namespace: str) -> tuple[str, ...]:
        return tuple(sorted(uid for uid, governed in self._unreadable.items() if namespace in governed))

    def _believed(self, uid: str, ended: Ended) -> Ended:
        """Return the end without a time at which the pod was seen running: no kubelet's clock makes a run shorter than that."""
        seen = self._running.pop(uid, None)
        last = rfc3339(seen) if seen is not None else self._keeper.seen(uid)
        return Ended(ended.reason, "") if ended.at and comparable(ended.at)[:19] < last[:19] else ended

    def _is_over(self, uid: str) -> bool:
        """Say whether the end of a run is recorded: pods stay for a while once they are finished."""
        return uid in self._over or self._keeper.has_run(uid)

    async def _look_at_everything(self) -> None:
        """Compare everything with what is recorded. What is recorded and isn't there any more is over."""
        self._tell_the_time()
        self._sweep = False
        self._look_at_changes()
        snapshot = self._store.snapshot()
        governing = cache(snapshot.governing)
        there = present.existing(snapshot)
        self._persons.retain({e.uid for e in snapshot.exemptions.values()})
        for name, node in sorted(snapshot.nodes.items()):
            with survived():
                self._look_at_node(name, snapshot)
            read = {Subject("Node", node.uid)} if isinstance(node, Machine) else None
            there |= set(self._book.named("Node", "", name)) if read is None else read
        self._put_each(present.declared(snapshot, self._persons.of))
        for number, make in enumerate(present.attested(snapshot), 1):
            self._put_each([make])
            if number % STEP == 0:
                await asyncio.sleep(0)
        all_chips = False
        with survived():
            for number, found in enumerate(self._chips.everything(snapshot), 1):
                there.add(found.subject)
                self._put_present(found)
                if number % STEP == 0:
                    await asyncio.sleep(0)
            all_chips = True
        self._runs_on.clear()
        for number, pod in enumerate(list(snapshot.pods.values()), 1):
            if isinstance(pod, Run):
                with survived():
                    self._look_at_run(pod, snapshot, governing, gone=False)
            if number % STEP == 0:
                await asyncio.sleep(0)
        now = self._store.snapshot()
        uids = {pod.uid for pod in now.pods.values()} | set(self._dirty)
        for subject in self._book:
            if subject.kind == RUN:
                if subject.uid not in uids and "Pod" not in now.unlisted:
                    self._running.pop(subject.uid, None)
                    self._end(subject, Ended("UnseenEnd", ""))
            elif subject.kind == CHIP and not all_chips:
                continue
            elif subject not in there and (INVENTORY if subject.kind == CHIP else subject.kind) not in now.unlisted:
                self._end(subject, Ended("", ""))

    def _end(self, subject: Subject, ended: Ended) -> None:
        out = self._book.over(subject, ended.reason, ended.at)
        if out is not None:
            self._put(out)

    def _put_all(self, found: Iterable[Present]) -> None:
        for each in found:
            self._put_present(each)

    def _put_each(self, makes: Iterable[present.Make]) -> None:
        for make in makes:
            with survived():
                if (found := make()) is not None:
                    self._put_present(found)

    def _put_present(self, found: Present) -> bool:
        if found.references and self._book.is_news(found):
            for each in found.beside():
                self._put_present(each)
        out = self._book.news(found)
        if out is not None:
            self._put(out)
        return out is not None

    def _put(self, out: Outgoing) -> None:
        self._pending.append(out)
        self._queued += 1
        metrics.PENDING.set(len(self._pending))

    async def flush(self) -> None:
        """Append what waits. Where the log fails it is opened again, and what was really stored is found out."""
        while self._pending:
            if not await self._use(self._append_once(self._next())):
                await asyncio.sleep(RETRY)
                await self._may_write()
                await self._open()

    def _next(self) -> Sequence[Outgoing]:
        """Return what is appended next: what others wait for is appended whole, so that after a crash it is there, or isn't."""
        end = self._appended + BATCH
        for start, upto, _ in self._waiting:
            if start < end < upto:
                end = upto
        return self._pending[: end - self._appended]

    async def _append_once(self, batch: Sequence[Outgoing]) -> bool:
        self._tried = batch
        try:
            with metrics.APPEND.time():
                await asyncio.to_thread(self._keeper.append, batch, self._book)
        except (LedgerError, OSError) as error:
            self._failed(error, RETRY)
            return False
        self._done(batch)
        return True

    async def _open(self) -> None:
        pause = RETRY
        while not await self._use(self._open_once(pause)):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_RETRY)

    async def _open_once(self, pause: float) -> bool:
        try:
            known = await asyncio.to_thread(self._keeper.open)
        except (LedgerError, OSError) as error:
            self._failed(error, pause)
            return False
        self._book, self.problem = Book(known), ""
        metrics.SIZE.set(self._keeper.size)
        if self._keeper.has_stored:
            self._done(self._tried)
        self._tried = ()
        self._book.queue(self._pending)
        self._sweep = True
        return True

    async def _use(self, step: Coroutine[Any, Any, bool]) -> bool:
        """Use the log in a way that ``stop`` can wait for: a thread isn't cancelled with the task that waits for it."""
        self._step = asyncio.ensure_future(step)
        return await asyncio.shield(self._step)

    def _done(self, batch: Sequence[Outgoing]) -> None:
        del self._pending[: len(batch)]
        self._appended += len(batch)
        metrics.PENDING.set(len(self._pending))
        metrics.SIZE.set(self._keeper.size)
        metrics.LAST.set(self._clock())
        for out in batch:
            metrics.ENTRIES.labels(out.kind).inc()
        done = [future for _, upto, future in self._waiting if upto <= self._appended]
        self._waiting = [waiting for waiting in self._waiting if waiting[1] > self._appended]
        for future in done:
            if not future.done():
                future.set_result(None)

    def _failed(self, error: Exception, pause: float) -> None:
        metrics.FAILURES.inc()
        self.problem = f"the log can't be written: {str(error)[:200]}"
        log.error("the log can't be written", extra={"error": str(error)[:500], "seconds": pause})
