"""Reads the objects at paths, strictly where they are of Daulat's own kinds, and collects everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from daulat.check.inventory import Inventory
from daulat.facts.declared import Unparsable
from daulat.facts.snapshot import Snapshot
from daulat.manifest.chunks import chunks
from daulat.manifest.document import Document, Foreign, Problem, line_of
from daulat.manifest.documents import documents

from .files import File, Unreadable, files

MAX_BYTES = 100 * 2**20
"""The largest file that is read."""


@dataclass
class Input:
    """What was read, and what is wrong with it. It is an error if an object is there twice with other contents."""

    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    foreign: list[Foreign] = field(default_factory=list)
    """Documents without a Kubernetes object."""
    inventory: Inventory = field(default_factory=Inventory)
    """What objects are judged by, as it was written."""

    def add(self, found: Iterable[Document]) -> None:
        """Take objects in."""
        for document in found:
            self.documents.append(document)
            self.problems += self.inventory.take(document)

    def add_missing(self, found: Iterable[Document]) -> None:
        """Take in the objects that aren't there yet: an edited policy in a file replaces the cluster's of the same name."""
        known = {_key(d) for d in self.documents}
        self.add(d for d in found if _key(d) not in known)

    def place(self, kind: str, name: str) -> tuple[str, int]:
        """Return the file and line of an object; its name and 0 where it isn't in the input."""
        for document in self.documents:
            if (document.kind, document.name) == (kind, name):
                return document.chunk.file, line_of(document, ())
        return f"{kind} {name}", 0


def read(paths: Sequence[str]) -> Input:
    """Read every object at the paths: files, directories, or - for standard input."""
    return read_files(files(paths, MAX_BYTES))


def read_files(given: Iterable[File | Unreadable]) -> Input:
    """Read every object in the files."""
    found = Input()
    for part in _parts(given):
        if isinstance(part, Problem):
            found.problems.append(part)
        elif isinstance(part, Document):
            found.add([part])
        else:
            found.foreign.append(part)
    return found


def unreadable(snapshot: Snapshot, given: Input) -> list[Problem]:
    """Return what is wrong with objects that can be read but mean nothing, such as a preset that doesn't exist."""
    problems = []
    for kind, shelf in (("SovereigntyPolicy", snapshot.policies), ("SovereignZone", snapshot.zones)):
        for name, value in sorted(shelf.items()):
            if isinstance(value, Unparsable):
                problems.append(Problem(*given.place(kind, name), value.reason))
    return problems


def _key(document: Document) -> tuple[str, str, str]:
    return document.kind, str(document.metadata.get("namespace") or ""), document.name


def _parts(given: Iterable[File | Unreadable]) -> Iterator[Document | Foreign | Problem]:
    for file in given:
        if isinstance(file, Unreadable):
            yield Problem(file.name, 0, file.reason)
            continue
        for chunk in chunks(file.data, file.name):
            if isinstance(chunk, Problem):
                yield chunk
            else:
                yield from documents(chunk)
