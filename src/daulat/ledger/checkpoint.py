"""Checkpoints (C2SP tlog-checkpoint): the text of a note that says which log has how many entries under which root."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import base64
from .errors import Malformed
from .tree import HASH_SIZE

_DECIMAL = re.compile(r"0|[1-9][0-9]*", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log's tree."""

    origin: str
    """Identifies the log; the name of its key."""
    size: int
    """Entries."""
    root: bytes
    extensions: tuple[str, ...] = ()
    """Lines that the log adds and that Daulat doesn't write."""

    @property
    def text(self) -> str:
        """The text that is signed."""
        return "".join(f"{x}\n" for x in (self.origin, self.size, base64.encode(self.root), *self.extensions))


def decimal(text: str) -> int:
    """Return the number. Malformed for signs, leading zeroes, other digits, and what doesn't fit in 63 bits."""
    if not _DECIMAL.fullmatch(text) or len(text) > 19 or int(text) >= 1 << 63:
        raise Malformed(f"not a number: {text[:80]!r}")
    return int(text)


def parse(text: str) -> Checkpoint:
    """Return the checkpoint of a note's text. Malformed if it isn't one."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise Malformed("a checkpoint has three lines: origin, size and root")
    origin, size, root, *extensions = lines
    decoded = base64.decode(root)
    if len(decoded) != HASH_SIZE:
        raise Malformed(f"a root of {len(decoded)} bytes")
    return Checkpoint(origin, decimal(size), decoded, tuple(extensions))
