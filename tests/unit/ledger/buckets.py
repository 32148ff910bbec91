"""Object stores in which a request may be the one at which a process ends, or at which another process comes in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import obstore
from obstore.store import MemoryStore, ObjectStore

from daulat.ledger.bucket import Bucket

from .logs import Crash


@dataclass
class Requests:
    """Stands in for ``obstore``. ``before`` and ``after`` are called at each change, with its number from 1."""

    objects: ObjectStore = field(default_factory=MemoryStore)
    before: Callable[[int], None] = lambda number: None
    after: Callable[[int], None] = lambda number: None
    changes: int = 0
    seen: list[bytes] = field(default_factory=list)
    """Every checkpoint that a reader could have read."""
    ignores: tuple[str, ...] = ()
    """Conditions that the server ignores: ``create``, ``update``."""

    def get(self, store: ObjectStore, path: str) -> Any:
        return obstore.get(store, path)

    def list(self, store: ObjectStore, prefix: str) -> Any:
        return obstore.list(store, prefix)

    def put(self, store: ObjectStore, path: str, data: bytes, mode: Any = None, use_multipart: bool = True) -> Any:
        with self._change():
            if mode is not None and ("create" if mode == "create" else "update") in self.ignores:
                mode = None
            done = obstore.put(store, path, data, mode=mode, use_multipart=use_multipart)
            if path == "checkpoint":
                self.seen.append(data)
        return done

    def delete(self, store: ObjectStore, paths: Sequence[str]) -> None:
        with self._change():
            obstore.delete(store, paths)

    @contextmanager
    def _change(self) -> Iterator[None]:
        self.changes += 1
        number = self.changes
        self.before(number)
        yield
        self.after(number)

    def bucket(self, owner: str = "a", takeover: bool = False) -> Bucket:
        return Bucket(self.objects, owner, takeover)

    def crash_at(self, crash: int, after: bool) -> None:
        """End the process at the change with that number, counted from here."""

        def at(number: int) -> None:
            if number >= crash:
                raise Crash

        self.changes = 0
        if after:
            self.after = at
        else:
            self.before = at

    def calm(self) -> None:
        """Let every request through."""
        self.before = self.after = lambda number: None
