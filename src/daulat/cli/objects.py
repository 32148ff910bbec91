"""Reads the objects at paths, strictly where they are of Daulat's own kinds, and tells everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from daulat.check.inventory import Inventory
from daulat.facts.declared import Malformed
from daulat.facts.snapshot import Snapshot
from daulat.manifest.chunks import chunks
from daulat.manifest.document import Chunk, Document, Problem, line_of
from daulat.manifest.documents import documents

from .files import Unreadable, files

MAX_BYTES = 100 * 2**20


@dataclass(frozen=True)
class Input:
    """What was read, and what is wrong with it. An object that is there twice with other contents is wrong."""

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]
    inventory: Inventory
    """What objects are judged by, as it was written."""

    def place(self, kind: str, name: str) -> tuple[str, int]:
        """Return the file and line of an object; its name and 0 where it isn't in the input."""
        for document in self.documents:
            if (document.kind, document.name) == (kind, name):
                return document.chunk.file, line_of(document, ())
        return f"{kind} {name}", 0


def read(paths: Sequence[str], more: Sequence[tuple[str, bytes]] = ()) -> Input:
    """Read every object at the paths, files, directories, or - for standard input, and in more files by name."""
    found: list[Document] = []
    problems: list[Problem] = []
    inventory = Inventory()
    for part in _parts(paths):
        _take(part, found, problems, inventory, frozenset())
    # What the files say takes the place of what the others do, as an edited policy does of the cluster's.
    said = frozenset(_key(d) for d in found)
    for part in chain.from_iterable(chunks(data, name) for name, data in more):
        _take(part, found, problems, inventory, said)
    return Input(tuple(found), tuple(problems), inventory)


def _take(
    part: Chunk | Problem,
    found: list[Document],
    problems: list[Problem],
    inventory: Inventory,
    without: frozenset[tuple[str, str, str]],
) -> None:
    for item in documents(part) if isinstance(part, Chunk) else [part]:
        if isinstance(item, Problem):
            problems.append(item)
        elif isinstance(item, Document) and _key(item) not in without:
            found.append(item)
            problems += inventory.take(item)


def _key(document: Document) -> tuple[str, str, str]:
    return document.kind, str(document.metadata.get("namespace") or ""), document.name


def unreadable(snapshot: Snapshot, given: Input) -> list[Problem]:
    """Return what is wrong with objects that can be read but mean nothing, such as a preset that doesn't exist."""
    problems = []
    for kind, shelf in (("SovereigntyPolicy", snapshot.policies), ("SovereignZone", snapshot.zones)):
        for name, value in sorted(shelf.items()):
            if isinstance(value, Malformed):
                problems.append(Problem(*given.place(kind, name), value.reason))
    return problems


def _parts(paths: Sequence[str]) -> Iterator[Chunk | Problem]:
    for file in files(paths, MAX_BYTES):
        if isinstance(file, Unreadable):
            yield Problem(file.name, 0, file.reason)
        else:
            yield from chunks(file.data, file.name)
