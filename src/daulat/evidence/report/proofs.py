"""The entries that a report names, each read together with its proof."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from daulat.ledger import entry, proof
from daulat.ledger.entry import Entry
from daulat.ledger.errors import Inconsistent
from daulat.ledger.store import Files

FACTS = "facts/sha256"
"""The folder of a log, and of a bundle, that holds large facts, each named by its digest."""
_CACHED = 4096
"""Files of a log that are kept in memory: a tile has 8 KiB, and a bundle of entries about 80 KiB."""


class Cached:
    """The files of a log, of which the ones that were read last are kept in memory."""

    def __init__(self, files: Files) -> None:
        self.get = lru_cache(maxsize=_CACHED)(files.get)


class Proved:
    """Entries and facts of a log. What was read is what the bundle has to have."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._entries: dict[int, Entry] = {}
        self.proofs: dict[int, bytes] = {}
        """The proofs of all entries that were read, by index."""
        self.kept: dict[str, bytes] = {}
        """The facts that were read, by digest."""

    def read(self, number: int) -> Entry:
        """Return an entry that the checkpoint covers. LedgerError or ValueError where it doesn't."""
        if number not in self._entries:
            found = proof.prove(self._files, number)
            if found.entry is None:
                raise Inconsistent(f"entry {number} can't be read")
            self._entries[number] = entry.parse(found.entry)
            self.proofs[number] = bytes(found)
        return self._entries[number]

    def facts(self, digest: str) -> bytes | None:
        """Return facts that are kept beside the log; None where they aren't there, or aren't those that were recorded."""
        if digest not in self.kept:
            data = self._files.get(facts_path(digest)) if is_digest(digest) else None
            if data is None or entry.digest(data) != digest:
                return None
            self.kept[digest] = data
        return self.kept[digest]


def is_digest(text: str) -> bool:
    """Say whether the text is a digest, so that it can be part of a path."""
    head, _, digits = text.partition(":")
    return head == "sha256" and len(digits) == 64 and not set(digits) - set("0123456789abcdef")


def facts_path(digest: str) -> str:
    """Return where the facts with a digest are."""
    return f"{FACTS}/{digest.removeprefix('sha256:')}"


def proof_path(number: int) -> str:
    """Return where a bundle has the proof of an entry."""
    return f"proofs/{number}.tlog-proof"


def proofs_beside(files: Mapping[str, bytes]) -> dict[int, bytes]:
    """Return the proofs among the files of a bundle, by the index in their names."""
    found = {}
    for path, data in files.items():
        name = path.removeprefix("proofs/").removesuffix(".tlog-proof")
        if name.isdecimal() and path == proof_path(int(name)):
            found[int(name)] = data
    return found
