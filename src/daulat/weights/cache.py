"""The folders of one URI's weights on a volume, which replicas may share.

===========================  ============================================================================================
``KEY/``                     published: whole and checked. Engines read it, so nothing here deletes it or writes into it
``.KEY.partial-TIME-POD-.``  being fetched by one process. Nobody else reads it; left behind by one that was killed
``.KEY.refused/``            was published and turned out to differ from its digest. Engines may have its files open
===========================  ============================================================================================

Every step is one rename, so a process that is killed between two of them leaves a state that the next one finds its way from.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .digest import walk

Copy = tuple[int, int]
"""Device and inode of a published folder: another copy under the same name has another one."""

_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Cache:
    """Where the weights of one URI are on a volume."""

    target: Path
    key: str

    @property
    def folder(self) -> Path:
        """The published folder, whose path is in the engine's arguments."""
        return self.target / self.key

    @property
    def refused(self) -> Path:
        """The folder that a copy with another digest is moved to."""
        return self.target / f".{self.key}.refused"

    @property
    def marker(self) -> Path:
        """The file that says who fetches."""
        return self.target / f".{self.key}.lease"

    def published(self) -> Copy | None:
        """Return which copy is published; None where none is. Raises OSError where the volume can't be read."""
        try:
            found = self.folder.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    @contextmanager
    def partial(self) -> Iterator[Path]:
        """Make a folder to fetch into, which nobody else knows of. What is in it in the end is deleted: publish() moves it away."""
        now = datetime.now(UTC).strftime(_TIME)
        path = self.target / f".{self.key}.partial-{now}-{socket.gethostname()}-{secrets.token_hex(4)}"
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def fetching(self) -> str:
        """Say who fetches and since when, from the name of the folder that is fetched into."""
        for path in reversed(self._partials()):
            try:
                start, rest = path.name.removeprefix(f".{self.key}.partial-").split("-", 1)
                since = datetime.strptime(start, _TIME).replace(tzinfo=UTC)
            except ValueError:
                continue
            minutes = max(0.0, (datetime.now(UTC) - since).total_seconds()) / 60
            return f"pod {rest.rpartition('-')[0]}, which fetches it since {since:%Y-%m-%d %H:%M:%S} UTC ({minutes:.0f} min)"
        return "another pod, which is about to fetch it"

    def recover(self) -> None:
        """Undo or clear away what a process that was killed left. Only the lease's holder may: others' fetches are left alone."""
        if self.published() is None and self.refused.exists():
            # Killed between publish()'s two renames. Engines have nothing to start from until one of them is undone.
            self.refused.rename(self.folder)
        for left in self._partials():
            # Renamed first: a holder that lost its lease unnoticed can't publish half of what is being deleted here.
            gone = left.with_name(f".{self.key}.partial-gone-{secrets.token_hex(8)}")
            left.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def publish(self, partial: Path, instead_of: Copy | None) -> bool:
        """Give a whole and checked folder its name. False where another process was first, and nothing was changed.

        A copy that it replaces is moved away, not deleted: open files stay readable, also on NFS. Between the two renames, for a
        moment, the name leads nowhere. An engine that opens a file just then fails, and starts anew.
        """
        _flush(partial)
        if instead_of is not None and self.published() == instead_of:
            self.folder.rename(self.refused)
        try:
            partial.rename(self.folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            if self.published() is None and self.refused.exists():
                self.refused.rename(self.folder)
            raise
        return True

    def _partials(self) -> list[Path]:
        return sorted(self.target.glob(f".{self.key}.partial*"))


def _flush(folder: Path) -> None:
    """Bring the files to the disk, or a node that loses power may have the new name without their content."""
    for path in walk(folder):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
