"""A log's files in a folder, which any web server can serve as it is."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .errors import Locked

_LOCK = ".lock"
_TEMPORARY = ".tmp"
"""One name for every file that is being written: there is one writer, and a crash leaves at most one file behind."""

_LARGEST = 17 << 20
"""Bytes: a bundle of 256 entries of 65,535 bytes is less, so what is cut here is no file of a log."""


class Folder:
    """A ``Store`` on a local file system. The lock is an OS lock: it ends with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None

    def get(self, path: str) -> bytes | None:
        """Return a file's bytes, at most 17 MiB, or None where there is no regular file."""
        file = self._path / path
        # Readers are given folders by others: a pipe would be waited on for ever.
        if not file.is_file():
            return None
        with file.open("rb") as opened:
            return opened.read(_LARGEST)

    def put(self, path: str, data: bytes) -> None:
        """Write a temporary file, flush it to the disk and rename it; flush the folder's own entry then."""
        target, temporary = self._path / path, self._path / _TEMPORARY
        self._make(target.parent)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        _flush(target.parent)

    def remove_partial(self, path: str) -> None:
        """Remove the folder of a tile's partial versions."""
        folder = self._path / f"{path}.p"
        if folder.is_dir():
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()

    def lock(self) -> None:
        """Lock the folder, which is made if it isn't there."""
        self._make(self._path)
        descriptor = os.open(self._path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise Locked(f"{self._path}: another process writes to this log") from error
        self._lock = descriptor

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _make(self, folder: Path) -> None:
        """Make a folder and those above it, each durably."""
        missing = [folder, *folder.parents]
        for above in reversed(missing[: next((n for n, f in enumerate(missing) if f.is_dir()), len(missing))]):
            above.mkdir(exist_ok=True)
            _flush(above.parent)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
