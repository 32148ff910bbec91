"""Wires the recorder's process: facts from the mirror, the log while this replica holds the Lease, a clean stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from daulat import __version__
from daulat.api.names import RECORDER_LEASE
from daulat.evidence.draft import Draft
from daulat.evidence.machine import parse_machine
from daulat.evidence.personal import Pseudonyms
from daulat.evidence.records import Gap, RecorderStarted
from daulat.evidence.run import parse_run
from daulat.evidence.times import rfc3339
from daulat.facts.store import Store, parse_fact
from daulat.kube.client import Client
from daulat.kube.errors import RequestError
from daulat.kube.resources import RECORDED
from daulat.mirror.follow import Follower
from daulat.process.health import HealthServer
from daulat.process.lag import measure
from daulat.process.lease import Lease
from daulat.process.lifecycle import first_of, until_stopped
from daulat.witness.standing import Standings

from . import metrics
from .auditing import Auditing, AuditOptions
from .keeper import Keeper, Place
from .observers import UNANSWERED, Observers, State
from .recorder import Recorder

log = logging.getLogger("daulat.recorder")


@dataclass(frozen=True)
class Options:
    """How the process runs."""

    namespace: str
    identity: str
    place: Place
    pseudonyms: Pseudonyms
    port: int = 8080
    audit: AuditOptions = field(default_factory=AuditOptions)
    standings: Callable[[], Standings | None] = lambda: None
    """Returns how the log stands with its witnesses; None where it has none."""


def parse(kind: str, raw: dict[str, Any]) -> Any:
    """Read an object as the recorder needs it: pods of every phase, and nodes with their identities."""
    if kind == "Pod":
        return parse_run(raw)
    return parse_machine(raw) if kind == "Node" else parse_fact(kind, raw)


class Process:
    """A mirror of the cluster, and a log that is written while this replica holds the Lease."""

    def __init__(self, client: Client, options: Options) -> None:
        self._client, self._options = client, options
        store = Store(options.namespace, parse=parse)
        self._store = store
        self._lease = Lease(client, options.namespace, options.identity, RECORDER_LEASE, metrics.LEADER.set)
        self._keeper = Keeper(options.place, time.time)
        self._recorder = Recorder(store, self._keeper, options.pseudonyms, may_write=self._lease.good)
        self._auditing = Auditing(
            options.audit, options.pseudonyms, store, self._recorder.accept, lambda: self._recorder.writes
        )
        self._follower = Follower(
            client,
            store,
            self._recorder.changed,
            self._recorder.everything,
            metrics.mirror(),
            resources=RECORDED,
        )

    async def run(self) -> int:
        """Run until a signal (0) or a failure after which a fresh start is safer (1)."""
        follower = self._follower
        health = HealthServer(self._options.port, metrics.REGISTRY, follower.not_alive, self._not_ready)
        port = await health.start()
        await self._auditing.listen()
        log.info("started", extra={"port": port, "identity": self._options.identity})
        return await until_stopped(
            [follower.follow(), self._write(), measure(metrics.LOOP_BLOCKED)],
            [follower.failure],
            [self._stop, self._lease.release, health.stop],
        )

    async def _stop(self) -> None:
        self._follower.stop()
        # What audit requests wait for is written first, so that they are answered.
        await self._recorder.stop()
        await self._auditing.stop()

    def _not_ready(self) -> str:
        return self._follower.not_ready() or self._recorder.problem or self._auditing.problem

    async def _write(self) -> str:
        """Wait for the facts and the Lease, then record until the Lease is lost."""
        await self._follower.informer.synced.wait()
        metrics.SYNCED.set(1)
        await self._lease.acquire()
        # The Lease is kept from here on: to open a large log, or one whose disk is full, takes longer than it is good for.
        return await first_of(self._lease.keep, self._record)

    async def _record(self) -> None:
        standings = self._options.standings
        metrics.UNWITNESSED.set_function(lambda: _missed_since(standings()))
        started, ended = await self._started(), ""

        def beginning(last: str) -> Sequence[Draft]:
            nonlocal ended
            ended = last
            return _beginning(started, last)

        await self._recorder.begin(beginning)
        until = datetime.fromisoformat(ended) if ended else None
        observers = Observers(
            self._client,
            self._options.namespace,
            self._recorder.note,
            self._recorder.has_event,
            self._mirrored,
            opened=self._keeper.open_gaps(),
        )
        taken = await asyncio.to_thread(self._keeper.audited)
        async with asyncio.TaskGroup() as group:
            group.create_task(observers.run())
            group.create_task(self._recorder.write())
            group.create_task(self._auditing.run(taken, until))

    async def _started(self) -> RecorderStarted:
        try:
            system = await self._client.get("/api/v1/namespaces/kube-system")
        except RequestError:
            system = None
        return RecorderStarted(
            replica=self._options.identity,
            release=__version__,
            cluster=str(((system or {}).get("metadata") or {}).get("uid") or ""),
            kubernetes=str(self._store.capabilities.version),
        )

    def _mirrored(self) -> State:
        silent = time.monotonic() - self._follower.informer.answered
        if silent > UNANSWERED:
            return State("the API server doesn't answer", time.time() - silent)
        snapshot = self._store.snapshot()
        why = [why for _, why in sorted(snapshot.untrusted.items())]
        if unreadable := snapshot.unparsable_policies():
            why.append(f"which namespaces these policies govern can't be read: {', '.join(unreadable)}")
        return State("; ".join(why), time.time()) if why else State()


def _missed_since(standings: Standings | None) -> float:
    return float(standings.missed_since or 0) if standings is not None else 0.0


def _beginning(started: RecorderStarted, last: str) -> Sequence[Draft]:
    """Return the first entries of a replica: since the newest entry nothing was recorded."""
    drafts = [started.draft()]
    if last:
        gap = Gap(of="Recorder", since=last, until=rfc3339(time.time()), reason="no replica recorded")
        metrics.GAPS.labels("Recorder").inc()
        drafts.insert(0, gap.draft())
    return drafts
