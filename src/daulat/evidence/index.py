"""An index of a log in SQLite, made from the log alone: which runs there were, where, when, and what is recorded of each object.

While entries are taken in, their hashes are added up: an index is only kept for entries that lead to the checkpoint's root. So who
reads it reads what was signed, or is told that the log was changed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daulat.ledger import entry as entries
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.errors import Inconsistent, LedgerError, Malformed
from daulat.ledger.growth import Edge, former_edge
from daulat.ledger.reader import bundle
from daulat.ledger.store import Files
from daulat.ledger.tiles import WIDTH, tile_at

from .book import Known
from .records import Gap, GapOpened, Gone, RunChanged, RunEnded, RunStarted
from .subject import Subject, fingerprint
from .times import comparable, comparable_or

VERSION = "2"
STEP = 64
"""Bundles that are taken in by one transaction."""
_SUBJECTS = {
    "NodeRecorded": "Node",
    "ZoneRecorded": "SovereignZone",
    "PolicyRecorded": "SovereigntyPolicy",
    "ProfileRecorded": "AcceleratorProfile",
    "ExemptionRecorded": "SovereigntyExemption",
    "AttestationRecorded": "NodeAttestation",
    "ModelRecorded": "SovereignModel",
    "InventoryRecorded": "AcceleratorInventory",
    "ChipRecorded": "Chip",
    "RunStarted": "Run",
    "RunChanged": "Run",
}
_SCHEMA = """
create table meta (key text primary key, value text not null) without rowid;
create table entry (number integer primary key, kind text not null, time text not null);
create index entry_kind on entry (kind, number);
create table subject (
  kind text not null, uid text not null, namespace text not null, name text not null,
  first integer not null, last integer not null, fingerprint text not null, primary key (kind, uid)
) without rowid;
create table run (
  uid text not null, number integer primary key, since text not null, until text not null, reason text not null,
  first integer not null, last integer, namespace text not null, pod text not null, model text not null, node text not null,
  zone text not null, country text not null, data text not null
);
create index run_uid on run (uid);
create index run_model on run (namespace, model, since);
create index run_node on run (node, since);
create index run_country on run (country, since);
create table gap (number integer primary key, of text not null, since text not null, until text not null, data text not null);
"""

_COLUMNS = "number, first, last, since, until, reason, data"


@dataclass(frozen=True)
class Stretch:
    """A run, or the part of one between two changes of where it ran or of what it had loaded."""

    entry: int
    """The RunStarted or RunChanged that says so."""
    first: int
    """The RunStarted."""
    ended: int | None
    """The entry that ends it; None while it goes on."""
    since: str
    until: str
    """Empty while it goes on."""
    reason: str
    """Why the run ended; empty where it goes on, or only changed."""
    data: dict[str, Any]
    """What the entry says."""


@dataclass(frozen=True)
class Missed:
    """A gap: a time in which not everything was observed."""

    entry: int
    """The Gap; the GapOpened while it isn't over."""
    of: str
    since: str
    until: str
    """Empty while it isn't over."""
    data: dict[str, Any]


@dataclass(frozen=True)
class Question:
    """Which runs are looked for. What is empty doesn't matter."""

    since: str = ""
    until: str = ""
    namespace: str = ""
    model: str = ""
    pod: str = ""
    node: str = ""
    zone: str = ""
    country: str = ""
    outside: str = ""
    """Those that aren't known to have been in this country."""


class Index:
    """The index of one log."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the index in a file, or one in memory. What isn't an index of this version is made anew."""
        self._path = path
        self._db = self._opened()

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path or ":memory:", check_same_thread=False, isolation_level=None)
        try:
            # Whatever is lost of it is made from the log again, so it needn't be flushed to the disk.
            db.executescript("pragma journal_mode=wal; pragma synchronous=off; pragma temp_store=memory;")
            found = db.execute("select count(*) from sqlite_master where name = 'meta'").fetchone()[0]
            if found and self._meta(db).get("version") == VERSION:
                return db
        except sqlite3.DatabaseError:
            pass
        db.close()
        return self._made_anew()

    def _made_anew(self) -> sqlite3.Connection:
        if self._path is not None:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        db = sqlite3.connect(self._path or ":memory:", check_same_thread=False, isolation_level=None)
        db.executescript("pragma journal_mode=wal; pragma synchronous=off; pragma temp_store=memory;" + _SCHEMA)
        db.executemany(
            "insert into meta values (?, ?)", [("version", VERSION), ("size", "0"), ("origin", ""), ("root", "")]
        )
        return db

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def clear(self) -> None:
        """Forget everything."""
        self._db.executescript("delete from entry; delete from subject; delete from run; delete from gap;")
        self._mark("", 0, "")

    @property
    def size(self) -> int:
        """How many entries are taken in."""
        return int(self._meta(self._db)["size"])

    def lacking(self, files: Files, head: Checkpoint) -> int:
        """Return how many entries ``update`` would take in."""
        try:
            if self._is_at(head):
                return 0
            edge = self._edge(files, head)
        except sqlite3.DatabaseError:
            return head.size  # A damaged file is made anew.
        return head.size if edge is None else head.size - edge.size

    def update(self, files: Files, head: Checkpoint) -> int:
        """Take in the entries up to a checkpoint; return how many. Inconsistent where they don't lead to its root.

        An index of another log, of a state that isn't a part of this one, or whose file is damaged, is made anew. OSError where
        the file can't be written.
        """
        try:
            try:
                return self._updated(files, head)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._db.close()
                self._db = self._made_anew()
                return self._updated(files, head)
        except sqlite3.Error as error:
            raise OSError(f"the index can't be written: {error}") from error

    def _updated(self, files: Files, head: Checkpoint) -> int:
        if self._is_at(head):
            return 0
        edge = self._edge(files, head)
        if edge is None:
            self.clear()
            edge = Edge()
        before = edge.size
        for start in range(before // WIDTH * WIDTH, head.size, WIDTH * STEP):
            fresh = list(_read(files, head.size, start))[max(before - start, 0) :]
            edge, _, _ = edge.grown(fresh)
            with _transaction(self._db):
                self._take(fresh, edge.size - len(fresh))
                self._mark(head.origin, edge.size, edge.root.hex())
        if edge.root != head.root:
            self.clear()
            raise Inconsistent("the entries don't lead to the root that the checkpoint signs")
        return head.size - before

    def extend(self, batch: Sequence[bytes], head: Checkpoint) -> None:
        """Take in entries that were just appended under a checkpoint that covers exactly them beside what is taken in."""
        start = self.size
        if start + len(batch) != head.size:
            raise Inconsistent(f"the index has {start} entries, and {len(batch)} more don't make {head.size}")
        with _transaction(self._db):
            self._take(batch, start)
            self._mark(head.origin, head.size, head.root.hex())

    def last_time(self) -> str:
        """Return the time of the newest entry; empty in an empty log."""
        found = self._db.execute("select time from entry order by number desc limit 1").fetchone()
        return str(found[0]) if found else ""

    def first_time(self) -> str:
        """Return the time of the first entry; empty in an empty log."""
        found = self._db.execute("select time from entry order by number limit 1").fetchone()
        return str(found[0]) if found else ""

    def subjects(self) -> dict[Subject, Known]:
        """Return what is recorded of every subject that is there."""
        rows = self._db.execute("select kind, uid, namespace, name, fingerprint, first, last from subject")
        return {Subject(kind, uid): Known(*rest) for kind, uid, *rest in rows}

    def has_event(self, uid: str) -> bool:
        """Say whether an Event was recorded."""
        return self._db.execute("select 1 from meta where key = ?", (f"event/{uid}",)).fetchone() is not None

    def has_run(self, uid: str) -> bool:
        """Say whether a run was ever recorded."""
        return self._db.execute("select 1 from run where uid = ?", (uid,)).fetchone() is not None

    def last_of(self, subject: Subject) -> int | None:
        """Return the newest entry of a subject that is there."""
        query = "select last from subject where kind = ? and uid = ?"
        found = self._db.execute(query, (subject.kind, subject.uid)).fetchone()
        return int(found[0]) if found else None

    def seen(self, uid: str) -> str:
        """Return the time of the newest RunStarted or RunChanged of a run; empty where there is none."""
        query = "select max(time) from entry where number in (select number from run where uid = ?)"
        return str(self._db.execute(query, (uid,)).fetchone()[0] or "")

    def stretches(self, asked: Question) -> Iterator[Stretch]:
        """Yield the runs that match, by when they began."""
        where, values = ["1"], []
        if asked.since:
            where.append("(until = '' or until > ?)")
            values.append(comparable(asked.since))
        if asked.until:
            where.append("since < ?")
            values.append(comparable(asked.until))
        for column in ("namespace", "model", "pod", "node", "zone", "country"):
            if value := getattr(asked, column):
                where.append(f"{column} = ?")
                values.append(value)
        if asked.outside:
            where.append("country <> ?")
            values.append(asked.outside)
        query = f"select {_COLUMNS} from run where {' and '.join(where)} order by since, number"  # noqa: S608 - all named here
        yield from map(_stretch, self._db.execute(query, values))

    def last(self, namespace: str, model: str) -> Stretch | None:
        """Return the latest part of the run of a SovereignModel that was recorded to start last; None where there is none.

        OSError where the file can't be read.
        """
        query = f"select {_COLUMNS} from run where namespace = ? and model = ? order by first desc, number desc limit 1"  # noqa: S608
        try:
            found = self._db.execute(query, (namespace, model)).fetchone()
        except sqlite3.Error as error:
            raise OSError(f"the index can't be read: {error}") from error
        return None if found is None else _stretch(found)

    def gaps(self, since: str = "", until: str = "") -> list[Missed]:
        """Return the gaps that overlap a time, also those that aren't over."""
        since, until = comparable(since), comparable(until)
        rows = self._db.execute(
            "select number, of, since, until, data from gap "
            "where (? = '' or until = '' or until > ?) and (? = '' or since < ?) order by number",
            (since, since, until, until),
        )
        return [Missed(number, of, a, b, json.loads(data)) for number, of, a, b, data in rows]

    def numbers(self, kind: str, since: str = "", until: str = "") -> list[int]:
        """Return the entries of a kind within a time, by the times at which they were recorded."""
        since, until = comparable(since), comparable(until)
        rows = self._db.execute(
            "select number from entry where kind = ? and (? = '' or time >= ?) and (? = '' or time < ?) order by number",
            (kind, since, since, until, until),
        )
        return [number for (number,) in rows]

    def newest(self, kind: str, count: int) -> list[int]:
        """Return the newest entries of a kind, at most so many, in their order."""
        rows = self._db.execute("select number from entry where kind = ? order by number desc limit ?", (kind, count))
        return sorted(number for (number,) in rows)

    def counts(self, since: str = "", until: str = "") -> dict[str, int]:
        """Return how many entries of each kind there are within a time."""
        since, until = comparable(since), comparable(until)
        rows = self._db.execute(
            "select kind, count(*) from entry where (? = '' or time >= ?) and (? = '' or time < ?) group by kind order by kind",
            (since, since, until, until),
        )
        return dict(rows.fetchall())

    def _is_at(self, head: Checkpoint) -> bool:
        """Say whether exactly the entries up to a checkpoint are taken in."""
        known = self._meta(self._db)
        return (int(known["size"]), known["root"], known["origin"]) == (head.size, head.root.hex(), head.origin)

    def _edge(self, files: Files, head: Checkpoint) -> Edge | None:
        """Return the edge of the tree up to which entries are taken in; None where this log hasn't grown from that."""
        known = self._meta(self._db)
        size = int(known["size"])
        if known["origin"] != head.origin or not 0 < size < head.size:
            return None
        try:
            edge = former_edge(files, size, head)
        except LedgerError:
            return None
        return edge if edge.root.hex() == known["root"] else None

    def _take(self, batch: Sequence[bytes], start: int) -> None:
        rows = []
        for number, data in enumerate(batch, start):
            try:
                found = entries.parse(data)
                time = comparable(found.time)
                self._take_one(number, found.kind, time, found.data)
            except (
                Malformed,
                KeyError,
                TypeError,
                ValueError,
                sqlite3.InterfaceError,
                sqlite3.ProgrammingError,
            ) as error:
                raise Inconsistent(f"entry {number} can't be read: {error}") from error
            rows.append((number, found.kind, time))
        self._db.executemany("insert into entry values (?, ?, ?)", rows)

    def _take_one(self, number: int, kind: str, time: str, data: dict[str, Any]) -> None:
        if (of := _SUBJECTS.get(kind)) is not None:
            self._subject(number, of, data)
        if kind in (RunStarted.kind, RunChanged.kind):
            self._close(data["uid"], time, "", number)
            first = number if kind == RunStarted.kind else self._first(data["uid"], number)
            # No kubelet's clock makes a run begin, or end, after it was seen to.
            since = min(comparable_or(data.get("started"), time), time) if kind == RunStarted.kind else time
            columns = [str(data.get(k) or "") for k in ("namespace", "pod", "model", "node", "zone", "country")]
            self._db.execute(
                "insert into run values (?, ?, ?, '', '', ?, null, ?, ?, ?, ?, ?, ?, ?)",
                (data["uid"], number, since, first, *columns, json.dumps(data)),
            )
        elif kind == RunEnded.kind:
            self._close(
                data["uid"], min(comparable_or(data.get("ended"), time), time), str(data.get("reason") or ""), number
            )
            self._db.execute("delete from subject where kind = 'Run' and uid = ?", (data["uid"],))
        elif kind == Gone.kind:
            self._db.execute("delete from subject where kind = ? and uid = ?", (data.get("of"), data.get("uid")))
        elif kind in (Gap.kind, GapOpened.kind):
            self._gap(number, str(data.get("of") or ""), time, data)
        elif kind == "Evicted":
            self._db.execute("insert or replace into meta values (?, ?)", (f"event/{data.get('event')}", str(number)))

    def _gap(self, number: int, of: str, time: str, data: dict[str, Any]) -> None:
        since = comparable_or(data.get("since"), time)
        until = comparable_or(data.get("until"), time) if "until" in data else ""
        if until:
            # The recorder that has seen it open may have ended before it was over, and the next one knew less of it.
            self._db.execute("delete from gap where of = ? and until = '' and since >= ?", (of, since))
            self._db.execute("update gap set until = ? where of = ? and until = ''", (until, of))
        self._db.execute("insert into gap values (?, ?, ?, ?, ?)", (number, of, since, until, json.dumps(data)))

    def _subject(self, number: int, kind: str, data: dict[str, Any]) -> None:
        name = str(data.get("name") or data.get("pod") or "")
        self._db.execute(
            "insert into subject values (?, ?, ?, ?, ?, ?, ?) "
            "on conflict (kind, uid) do update set last = excluded.last, fingerprint = excluded.fingerprint",
            (kind, data.get("uid", ""), data.get("namespace", ""), name, number, number, fingerprint(data)),
        )

    def _close(self, uid: str, until: str, reason: str, number: int) -> None:
        self._db.execute(
            "update run set until = max(?, since), reason = ?, last = ? where uid = ? and until = ''",
            (until, reason, number, uid),
        )

    def _first(self, uid: str, number: int) -> int:
        found = self._db.execute("select min(number) from run where uid = ?", (uid,)).fetchone()
        return int(found[0]) if found and found[0] is not None else number

    def _mark(self, origin: str, size: int, root: str) -> None:
        self._db.executemany(
            "insert or replace into meta values (?, ?)", [("origin", origin), ("size", str(size)), ("root", root)]
        )

    @staticmethod
    def _meta(db: sqlite3.Connection) -> dict[str, str]:
        return dict(db.execute("select key, value from meta where key not like 'event/%'").fetchall())


def _stretch(row: Sequence[Any]) -> Stretch:
    number, first, last, since, until, reason, data = row
    return Stretch(number, first, last, since, until, reason, json.loads(data))


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Have all that is written within count, or nothing."""
    db.execute("begin immediate")
    try:
        yield
    except BaseException:
        # SQLite has ended it itself where the disk is full.
        if db.in_transaction:
            db.execute("rollback")
        raise
    db.execute("commit")


def _read(files: Files, size: int, start: int, count: int = WIDTH * STEP) -> Iterator[bytes]:
    """Yield entries from a start that is a multiple of 256 on."""
    for number in range(start // WIDTH, -(-min(start + count, size) // WIDTH)):
        tile = tile_at(0, number, size)
        found = bundle(files, tile)
        if len(found) != tile.width:
            raise Malformed(f"{tile.bundle_path}: {len(found)} entries instead of {tile.width}")
        yield from found[: max(start + count - number * WIDTH, 0)]
