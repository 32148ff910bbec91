"""A site whose log is written by the recorder's own code, with keys and times that are fixed.

The keys are published here: THEY PROTECT NOTHING.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daulat.evidence.book import Book, Outgoing
from daulat.evidence.record import Record
from daulat.evidence.subject import Present, Subject
from daulat.ledger.cosigning import Submission
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.note import Signature
from daulat.recorder.keeper import Keeper, Place

ORIGIN = "daulat.example.my/cluster-1"
START = 1_800_000_000
"""2027-01-15T08:00:00Z."""


def seed(name: str) -> bytes:
    """Return 32 bytes from which a key or a salt of the example is made."""
    return sha256(f"an example's key, which protects nothing: {name}".encode()).digest()


LOG = SignerKey(ORIGIN, KeyType.ED25519, seed("log"))
WITNESS = SignerKey("witness.example.org", KeyType.COSIGNATURE, seed("witness"))
SIGNER = Ed25519PrivateKey.from_private_bytes(seed("report"))


@dataclass
class Memory:
    """A store that keeps its files in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def get(self, path: str) -> bytes | None:
        """Return a file's bytes."""
        return self.files.get(path)

    def put(self, path: str, data: bytes) -> None:
        """Keep a file."""
        self.files[path] = data

    def remove_partial(self, path: str) -> None:
        """Remove a tile's partial versions."""
        for name in [name for name in self.files if name.startswith(f"{path}.p/")]:
            del self.files[name]

    def lock(self) -> None:
        """There is one process."""

    def unlock(self) -> None:
        """There is one process."""


class Site:
    """The cluster whose log it is."""

    def __init__(self, store: Memory) -> None:
        self._now = float(START)
        self._keeper = Keeper(Place(store, [LOG], cosign=self._cosign), lambda: self._now)
        self._book = Book(self._keeper.open())

    def later(self, seconds: float) -> None:
        """Let time go by."""
        self._now += seconds

    def holds(self, *presents: Present) -> None:
        """Record what holds now."""
        self.append(*(out for p in presents if (out := self._book.news(p)) is not None))

    def over(self, subject: Subject, reason: str = "", ended: str = "") -> None:
        """Record that something isn't there any more."""
        out = self._book.over(subject, reason, ended)
        assert out is not None
        self.append(out)

    def happened(self, *records: Record) -> None:
        """Record what isn't about an object that is there."""
        self.append(*(Outgoing(r.kind, r.data()) for r in records))

    def append(self, *entries: Outgoing) -> None:
        """Append entries to the log."""
        self._keeper.append(entries, self._book)

    def close(self) -> None:
        """End the recorder."""
        self._keeper.close()

    def _cosign(self, submitted: Submission) -> list[Signature]:
        return [WITNESS.sign(submitted.note.text, int(self._now) + 2)]
