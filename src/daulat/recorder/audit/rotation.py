"""The file of an audit log and the older ones that it was rotated to, in the order in which they were written.

A file is known by its first line, which no other has: the name changes when the API server rotates, the inode when a copy is made,
and both when a file is compressed.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

_LINE = 4096
"""Bytes of the first line that tell files apart: the event's ID and times are among them."""
_TIME = re.compile(rb'"requestReceivedTimestamp":"([^"]{20,30})"')
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


class Gone(Exception):
    """The file isn't there any more, or is another one by now."""


class Damaged(Exception):
    """A compressed file can't be read to its end."""


@dataclass(frozen=True)
class LogFile:
    """A file that has at least one line."""

    path: Path
    identity: str
    began: str
    """The time of its first event; empty if that can't be read."""

    def read(self, offset: int, most: int) -> bytes:
        """Return up to ``most`` bytes from an offset. Gone if the path leads to another file by now, and Damaged."""
        try:
            with _opened(self.path) as file:
                if _identity(_first_line(file)) != self.identity:
                    raise Gone(self.path.name)
                file.seek(offset)
                return file.read(most)
        except _DAMAGED as error:
            raise Damaged(self.path.name) from error
        except OSError as error:
            raise Gone(self.path.name) from error

    def is_shorter(self, offset: int) -> bool:
        """Return whether it ends before an offset. Compressed files are whole."""
        try:
            return self.path.suffix != ".gz" and self.path.stat().st_size < offset
        except OSError:
            return False


def files(path: Path) -> list[LogFile]:
    """Return the log at this path and what it was rotated to, oldest first."""
    found: dict[str, LogFile] = {}
    # A compressed file is complete only once the one that it was made from is gone.
    for candidate in sorted(_candidates(path), key=lambda p: (p.suffix == ".gz", p.name)):
        if (file := _identified(candidate)) is not None:
            found.setdefault(file.identity, file)
    return sorted(found.values(), key=lambda f: (f.path == path, f.began, f.path.name))


def _candidates(path: Path) -> Iterator[Path]:
    """Yield the log, and the files that are named as the API server and logrotate name older ones."""
    stem, suffix, name = (re.escape(text) for text in (path.stem, path.suffix, path.name))
    stamp = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}"
    older = re.compile(rf"(?:{stem}-{stamp}{suffix}|{name}[.-]\d+)(?:\.gz)?")
    yield path
    if path.parent.is_dir():
        yield from (p for p in path.parent.iterdir() if older.fullmatch(p.name))


def _identified(path: Path) -> LogFile | None:
    try:
        with _opened(path) as file:
            line = _first_line(file)
    except (OSError, *_DAMAGED):
        return None
    if not line.endswith(b"\n") and len(line) < _LINE:
        return None
    time = _TIME.search(line)
    return LogFile(path, _identity(line), time[1].decode("ascii", "replace") if time else "")


def _first_line(file: BinaryIO) -> bytes:
    return file.readline(_LINE)


def _identity(line: bytes) -> str:
    return sha256(line).hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield cast(BinaryIO, file)
