"""Keeps the log: the one writer of its files, the index beside it, and the book of what is recorded.

Everything here blocks on the disk, so it runs in a thread of its own. A failed write closes the log; the next one opens it again
and reads what has really been stored, so an entry is never lost and never there twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from daulat.evidence.book import Book, Known, Outgoing
from daulat.evidence.index import Index, Missed
from daulat.evidence.records import ClockSetBack, NotRecorded
from daulat.evidence.subject import Subject
from daulat.evidence.times import rfc3339, seconds_of
from daulat.ledger import entry
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.entry import Entry
from daulat.ledger.errors import LedgerError, Malformed
from daulat.ledger.keys import SignerKey
from daulat.ledger.reader import CHECKPOINT
from daulat.ledger.reader import entry as read
from daulat.ledger.store import Store
from daulat.ledger.writer import Cosign, Writer, no_witnesses

from .audit.follow import Taken

FACTS = "facts/sha256"
"""The folder beside the tiles that holds large facts, each named by its digest."""
BATCHES = 1_000
"""Batches of audit events that are remembered over a restart: API servers repeat one for some minutes."""
BACKWARDS = 2.0
"""Seconds that the clock may go back without an entry that says so: clocks are corrected all the time."""


@dataclass(frozen=True)
class Place:
    """Where a log is kept, and by which keys it is signed."""

    store: Store
    keys: Sequence[SignerKey]
    former: Sequence[SignerKey] = ()
    """Keys that signed before, and that hand the log over to ``keys`` where they haven't yet."""
    index: Path | None = None
    """The index's file; in memory where it is None."""
    cosign: Cosign = no_witnesses


class Keeper:
    """The log of one recorder."""

    def __init__(self, place: Place, clock: Callable[[], float]) -> None:
        self._place, self._clock = place, clock
        self._writer: Writer | None = None
        self._index: Index | None = None
        self._kept: set[str] = set()
        self._tried: tuple[int, bytes] | None = None
        """Where the batch begins that was about to be appended, and its first entry; None once that has succeeded."""
        self.size = 0
        """Entries in the log when it was last known to be well."""
        self.has_stored = False
        """Whether the log, when it was opened last, had the batch whose append failed before."""

    def open(self) -> Mapping[Subject, Known]:
        """Open the log, or begin it, and return what is recorded in it. LedgerError or OSError where that can't be done."""
        self.close()
        place, now = self._place, int(self._clock())
        if place.store.get(CHECKPOINT) is None:
            self._writer = Writer.create(place.store, place.keys, now, place.cosign)
        else:
            self._writer = Writer.succeed(place.store, place.keys, place.former, now, place.cosign)
        try:
            self._index = Index(place.index)
            self._index.update(place.store, self._writer.head)
            self.size = self._writer.head.size
            known = self._index.subjects()
            self.has_stored = self._stored()
            return known
        except sqlite3.Error as error:
            self.close()
            raise OSError(f"the index: {error}") from error
        except BaseException:
            self.close()
            raise

    def _stored(self) -> bool:
        """Say whether the log has the batch whose append failed: entries of a batch are stored together or not at all."""
        # The log may have grown by another replica's entries instead.
        tried = self._tried
        found = tried is not None and tried[0] < self.size and read(self._place.store, tried[0], self.size) == tried[1]
        self._tried = None
        return found

    @property
    def is_open(self) -> bool:
        """Whether entries can be appended."""
        return self._writer is not None

    def last_time(self) -> str:
        """Return the time of the newest entry; empty where there is none, or the log isn't open."""
        return self._index.last_time() if self._index is not None else ""

    def has_event(self, uid: str) -> bool:
        """Say whether an Event was recorded."""
        index = self._index
        try:
            return index is not None and index.has_event(uid)
        except sqlite3.ProgrammingError:
            # A thread has closed it meanwhile, since an append failed.
            return False

    def has_run(self, uid: str) -> bool:
        """Say whether a run was ever recorded."""
        return self._index is not None and self._index.has_run(uid)

    def seen(self, uid: str) -> str:
        """Return when a run was recorded as running last; empty where it wasn't, or the log isn't open."""
        index = self._index
        try:
            return index.seen(uid) if index is not None else ""
        except sqlite3.ProgrammingError:
            # A thread has closed it meanwhile, since an append failed.
            return ""

    def exemption(self, uid: str) -> Mapping[str, Any]:
        """Return what the newest entry of an exemption has; nothing where none is recorded, or the log can't be read."""
        try:
            last = self._index.last_of(Subject("SovereigntyExemption", uid)) if self._index is not None else None
            return {} if last is None else entry.parse(read(self._place.store, last, self.size)).data
        except (sqlite3.ProgrammingError, LedgerError, OSError):
            return {}

    def governed(self, uid: str) -> frozenset[str] | None:
        """Return the namespaces that a policy governed when it was recorded last; None where that isn't known."""
        try:
            last = self._index.last_of(Subject("SovereigntyPolicy", uid)) if self._index is not None else None
            if last is None:
                return None
            digest = str(entry.parse(read(self._place.store, last, self.size)).data.get("governed"))
            facts = self._place.store.get(f"{FACTS}/{digest.removeprefix('sha256:')}")
            return None if facts is None else frozenset(map(str, json.loads(facts)["namespaces"]))
        except (sqlite3.ProgrammingError, LedgerError, OSError, ValueError, KeyError, TypeError):
            return None

    def open_gaps(self) -> list[Missed]:
        """Return the gaps that began and aren't over, as far as the log says."""
        return [gap for gap in self._index.gaps() if not gap.until] if self._index is not None else []

    def audited(self) -> list[Taken]:
        """Return the newest batches of audit events that are recorded."""
        return list(map(Taken.of, self._recent("AuditBatch", BATCHES)))

    def _recent(self, kind: str, count: int) -> list[dict[str, Any]]:
        """Return the data of the newest entries of a kind, at most so many."""
        if self._index is None or self._writer is None:
            return []
        size = self._writer.head.size
        return [entry.parse(read(self._place.store, n, size)).data for n in self._index.newest(kind, count)]

    def append(self, batch: Sequence[Outgoing], book: Book) -> Checkpoint:
        """Append entries; when this returns they are on the disk, under a checkpoint, and in the book.

        LedgerError or OSError where that failed: the log is closed then, and has to be opened again.
        """
        if self._writer is None or self._index is None:
            raise OSError("the log isn't open")
        try:
            now = self._clock()
            batch = [*self._corrected(now), *batch]
            start, time = self._writer.head.size, rfc3339(now)
            for out in batch:
                for facts in out.facts:
                    self._keep(facts)
            encoded = [
                _encoded(out.kind, time, data) for out, data in zip(batch, book.resolved(batch, start), strict=True)
            ]
            self._tried = (start, encoded[0])
            head = self._writer.append(encoded, int(now))
            self._index.extend(encoded, head)
            self._tried = None
        except sqlite3.Error as error:
            self.close()
            raise OSError(f"the index: {error}") from error
        except BaseException:
            self.close()
            raise
        self.size = head.size
        book.accept(batch, start)
        return head

    def close(self) -> None:
        """Let another writer in."""
        if self._writer is not None:
            self._writer.close()
        if self._index is not None:
            self._index.close()
        self._writer = self._index = None

    def _keep(self, facts: bytes) -> None:
        digest = entry.digest(facts).removeprefix("sha256:")
        path = f"{FACTS}/{digest}"
        if digest not in self._kept:
            if self._place.store.get(path) != facts:
                self._place.store.put(path, facts)
            self._kept.add(digest)

    def _corrected(self, now: float) -> list[Outgoing]:
        before = self.last_time()
        if not before or seconds_of(before) - now <= BACKWARDS:
            return []
        record = ClockSetBack(before=before, now=rfc3339(now))
        return [Outgoing(record.kind, record.data())]


def _encoded(kind: str, time: str, data: Mapping[str, Any]) -> bytes:
    """Return an entry, or one that says why the log can't hold it: it would be tried for ever, and nothing after it recorded."""
    try:
        return Entry(kind=kind, time=time, data=dict(data)).encode()
    except (Malformed, ValidationError) as error:
        named = {name: _named(data.get(name)) for name in ("namespace", "name", "uid")}
        said = NotRecorded(of=kind, pod=_named(data.get("pod")), reason=_named(str(error)), **named)
        return Entry(kind=said.kind, time=time, data=said.data()).encode()


def _named(value: object) -> str:
    return value[:256].encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""
