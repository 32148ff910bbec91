"""The store of salts: one SQLite file, apart from the log, from which a person can be erased."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from daulat.evidence.personal import SALT_BYTES, Person

_SCHEMA = "CREATE TABLE IF NOT EXISTS person (name TEXT PRIMARY KEY, salt BLOB NOT NULL) STRICT, WITHOUT ROWID"
_APPLICATION = 0x44414C54
"""What SQLite's header says the file is for, so that no other database is taken for one."""
_CACHED = 4096
_WAIT_SECONDS = 10.0


class NotSalts(Exception):
    """The file isn't a store of salts, or can't be read."""


class Salts:
    """Salts by user name. The recorder and ``daulat ledger person`` may have one store open at once."""

    def __init__(self, path: Path, *, create: bool = False, random: Callable[[int], bytes] = os.urandom) -> None:
        """Open the store. NotSalts if there is none and it isn't to be made, or if the file is something else."""
        self._random = random
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._version = -1
        self._one = threading.Lock()
        """Audit batches are read in a thread of their own."""
        if create:
            # Only its owner may read it, also in the moment in which it is made.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        elif not path.is_file():
            raise NotSalts("there is no such file")
        try:
            # One connection for all threads: SQLite serializes what they do.
            self._db = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            self._open(create)
        except sqlite3.Error as error:
            raise NotSalts(str(error)) from error

    def salt(self, name: str) -> bytes:
        """Return a user's salt. A new one is on the disk when this returns. OSError or sqlite3.Error if it can't be."""
        with self._one:
            return self._salt(name)

    def _salt(self, name: str) -> bytes:
        self._forget_erased()
        if (known := self._known.get(name)) is not None:
            self._known.move_to_end(name)
            return known
        key = _key(name)
        self._db.execute("INSERT OR IGNORE INTO person VALUES (?, ?)", (key, self._random(SALT_BYTES)))
        (found,) = self._db.execute("SELECT salt FROM person WHERE name = ?", (key,)).fetchone()
        self._known[name] = bytes(found)
        if len(self._known) > _CACHED:
            self._known.popitem(last=False)
        return bytes(found)

    def has(self, name: str) -> bool:
        """Say whether a user's salt is kept."""
        return self.find(name) is not None

    def find(self, name: str) -> Person | None:
        """Return a person, or None if no salt is kept."""
        found = self._db.execute("SELECT salt FROM person WHERE name = ?", (_key(name),)).fetchone()
        return Person(name, bytes(found[0])) if found else None

    def people(self) -> list[Person]:
        """Return all whose salts are kept, by name."""
        found = self._db.execute("SELECT name, salt FROM person ORDER BY name").fetchall()
        return [Person(name, bytes(salt)) for name, salt in found]

    def erase(self, name: str) -> bool:
        """Erase a person's name and salt, and overwrite them in the file. Return whether there was one."""
        found = self._db.execute("DELETE FROM person WHERE name = ?", (_key(name),)).rowcount > 0
        self._known.pop(name, None)
        # The journal, which held the row before, is gone since the transaction ended; this ends what a page still has of it.
        self._db.execute("VACUUM")
        return found

    def close(self) -> None:
        """Close the store."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self, create: bool) -> None:
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application != _APPLICATION and (tables or not create):
            raise NotSalts("it is something else than a store of salts")
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute("PRAGMA synchronous = FULL")
        if not tables:
            self._db.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._db.execute(_SCHEMA)

    def _forget_erased(self) -> None:
        """Forget what is cached once another process has written, since that may have been an erasure."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._known.clear()
            self._version = version


def _key(name: str) -> str:
    """Return the name as SQLite can keep it: without lone surrogates, which a user name from JSON may have."""
    return name.encode("utf-8", "backslashreplace").decode()
