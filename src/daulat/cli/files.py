"""Reads the files that a command is given: files, directories and standard input, each within a limit."""

from __future__ import annotations

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


def files(paths: Sequence[str], limit: int, remedy: str = "split it") -> Iterator[File | Unreadable]:
    """Yield every file, each once. Directories are searched for YAML and JSON, without hidden files.

    A file of more than ``limit`` bytes is unreadable, with this remedy.
    """
    seen: set[str] = set()
    for path in paths:
        if path == STDIN:
            yield _bounded(File("<stdin>", sys.stdin.buffer.read(limit + 1), named=True), limit, remedy)
        elif Path(path).is_dir():
            for found in _walk(path, ()):
                if isinstance(found, Unreadable):
                    yield found
                elif (real := os.path.realpath(found)) not in seen:
                    seen.add(real)
                    yield _read(found, limit, remedy, named=False)
        elif (real := os.path.realpath(path)) not in seen:
            seen.add(real)
            yield _read(path, limit, remedy, named=True)


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[str | Unreadable]:
    """Yield files by name. Links to directories are followed, since manifests may be kept behind one."""
    real = os.path.realpath(folder)
    if real in above:
        yield Unreadable(folder, "is a symbolic link to a directory above it")
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


def _read(path: str, limit: int, remedy: str, *, named: bool) -> File | Unreadable:
    try:
        # A pipe is fine where the user gave it, as with <(helm template ...); one that lies about would be waited on for ever.
        if not named and not stat.S_ISREG(os.stat(path).st_mode):
            return Unreadable(path, "is not a regular file")
        with open(path, "rb") as file:
            return _bounded(File(path, file.read(limit + 1), named), limit, remedy)
    except OSError as error:
        return Unreadable(path, _why(error))


def _bounded(file: File, limit: int, remedy: str) -> File | Unreadable:
    if len(file.data) > limit:
        return Unreadable(file.name, f"is larger than {limit / _MIB:g} MiB: {remedy}")
    return file


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
