"""What verification finds wrong with a log, each with where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What is wrong. Beside these there are the doubts about a checkpoint (``trust.Doubt``)."""

    MISSING = "Missing"
    """A file isn't there."""
    EDITED = "Edited"
    """An entry isn't the one that was hashed into the tree."""
    DELETED = "Deleted"
    """An entry isn't there, and those behind it have moved up."""
    INSERTED = "Inserted"
    """An entry is there that wasn't hashed into the tree."""
    REORDERED = "Reordered"
    """An entry stands where another was."""
    TILE = "TileChanged"
    """A tile of hashes isn't the one that the tree has, or isn't a tile at all."""
    REWRITTEN = "Rewritten"
    """Entries and their tiles agree with each other, and not with what was signed."""
    FORKED = "Forked"
    """A signed checkpoint of before isn't a prefix of this log."""
    TRUNCATED = "Truncated"
    """A signed checkpoint of before had more entries."""
    ROTATION = "InvalidRotation"
    """An entry says that it rotates the log's keys, and these don't hand over by it."""
    NOT_AN_ENTRY = "NotAnEntry"
    """The tree covers the bytes, and they aren't an entry of Daulat's."""
    STOPPED = "Stopped"
    """There are so many findings that the rest of the log wasn't looked at."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    fault: str
    """A ``Fault`` or a ``Doubt``."""
    path: str
    """The file."""
    message: str
    entries: tuple[int, int] | None = None
    """The first and the last entry that it is about, where it is known."""

    def __str__(self) -> str:
        return f"{self.fault} {self.where}: {self.message}"

    @property
    def where(self) -> str:
        """The file and the entries, in words."""
        if self.entries is None:
            return self.path
        first, last = self.entries
        return f"{self.path}, {f'entry {first}' if first == last else f'entries {first} to {last}'}"
