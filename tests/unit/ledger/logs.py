"""Logs in memory for tests: a store that can fail at any operation, keys, and entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from daulat.ledger.cosigning import Submission
from daulat.ledger.entry import Entry
from daulat.ledger.errors import Locked
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.note import Signature
from daulat.ledger.trust import Trust
from daulat.ledger.writer import Writer

ORIGIN = "daulat.example.my/cluster-1"
NOW = 1_800_000_000
KEY = SignerKey(ORIGIN, KeyType.ED25519, b"\x01" * 32)
POST_QUANTUM = SignerKey(ORIGIN, KeyType.ML_DSA_44, b"\x02" * 32)
STRANGER = SignerKey(ORIGIN, KeyType.ED25519, b"\x03" * 32)
WITNESSES = tuple(SignerKey(f"witness.example/{n}", KeyType.COSIGNATURE, bytes([16 + n]) * 32) for n in range(3))
TRUST = Trust((KEY.verifier(),))


class Crash(Exception):
    """The process ends here."""


@dataclass
class Memory:
    """A store in memory. ``crash_at`` counts its changes: the one with that number isn't made."""

    files: dict[str, bytes] = field(default_factory=dict)
    crash_at: int | None = None
    after: bool = False
    """Crash after the change rather than before it."""
    changes: int = 0
    locked: bool = False
    seen: list[bytes] = field(default_factory=list)
    """Every checkpoint that a reader could have read."""

    def get(self, path: str) -> bytes | None:
        return self.files.get(path)

    def put(self, path: str, data: bytes) -> None:
        def change() -> None:
            self.files[path] = data
            if path == "checkpoint":
                self.seen.append(data)

        self._change(change)

    def remove_partial(self, path: str) -> None:
        def change() -> None:
            for name in [name for name in self.files if name.startswith(f"{path}.p/")]:
                del self.files[name]

        self._change(change)

    def lock(self) -> None:
        if self.locked:
            raise Locked("locked")
        self.locked = True

    def unlock(self) -> None:
        self.locked = False

    def _change(self, change: Callable[[], None]) -> None:
        self.changes += 1
        crashes = self.changes == self.crash_at
        if not crashes or self.after:
            change()
        if crashes:
            raise Crash

    def copy(self) -> Memory:
        return Memory(dict(self.files))


def entry(n: int) -> bytes:
    return Entry(kind="PodStarted", time="2027-01-15T08:00:00Z", data={"pod": f"treasury/trainer-{n}", "n": n}).encode()


def entries(count: int, start: int = 0) -> list[bytes]:
    return [entry(n) for n in range(start, start + count)]


def log(
    count: int, *, keys: Sequence[SignerKey] = (KEY,), batch: int = 100, witnesses: Sequence[SignerKey] = ()
) -> Memory:
    """Return a log of so many entries."""
    store = Memory()

    def cosign(submission: Submission) -> list[Signature]:
        return [w.sign(submission.note.text, NOW + 1) for w in witnesses]

    with Writer.create(store, keys, NOW, cosign) as writer:
        for start in range(0, count, batch):
            writer.append(entries(min(batch, count - start), start), NOW)
    return store
