"""Reads the files that a command is given: files, directories and standard input, each within a limit."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
_MIB = 1 << 20


@dataclass(frozen=True)
class File:
    """A file's name, as the user would write it, and what is in it."""

    name: str
    data: bytes
    named: bool
    """The user gave this very file, rather than a directory that it is in."""


@dataclass(frozen=True)
class Unreadable:
    """A file that couldn't be read, and why."""

    name: str
    reason: str


def files(paths: Sequence[str], limit: int) -> Iterator[File | Unreadable]:
    """Yield every file, each once. Directories are searched for YAML and JSON, without hidden files. ``limit`` is in bytes."""
    seen: set[str] = set()
    for path in paths:
        if path == STDIN:
            yield _bounded("<stdin>", sys.stdin.buffer.read(limit + 1), limit, named=True)
        elif Path(path).is_dir():
            for found in _walk(path, ()):
                if isinstance(found, Unreadable):
                    yield found
                elif (real := os.path.realpath(found)) not in seen:
                    seen.add(real)
                    yield _read(found, limit, named=False)
        elif (real := os.path.realpath(path)) not in seen:
            seen.add(real)
            yield _read(path, limit, named=True)


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[str | Unreadable]:
    """Yield files by name. Links to directories are followed, as somebody may keep manifests behind one."""
    real = os.path.realpath(folder)
    if real in above:
        yield Unreadable(folder, "is a symbolic link to a directory that it is in")
        return
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield Unreadable(folder, _why(error))
        return
    for name in names:
        path = os.path.normpath(os.path.join(folder, name))
        if name.startswith("."):
            continue
        if os.path.isdir(path):
            yield from _walk(path, (*above, real))
        elif name.lower().endswith(SUFFIXES):
            yield path


def _read(path: str, limit: int, named: bool) -> File | Unreadable:
    try:
        # A pipe is fine where the user gave it, as with <(helm template ...); one that lies about would be waited on for ever.
        if not named and not stat.S_ISREG(os.stat(path).st_mode):
            return Unreadable(path, "isn't a regular file")
        with open(path, "rb") as file:
            return _bounded(path, file.read(limit + 1), limit, named)
    except OSError as error:
        return Unreadable(path, _why(error))


def _bounded(name: str, data: bytes, limit: int, named: bool) -> File | Unreadable:
    if len(data) > limit:
        told = f"is larger than {limit / _MIB:g} MiB; split it, or raise the limit with --max-file-size"
        return Unreadable(name, told)
    return File(name, data, named)


def _why(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a symbolic link that leads back to itself"
    return (error.strerror or str(error)).lower()
