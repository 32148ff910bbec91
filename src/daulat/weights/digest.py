"""The digest of a folder of weights: the SHA-256 of what ``sha256sum`` prints for its files, in the order of their paths."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import NoReturn

_FOLLOWS_NONE = "it is a link, and what it points to may change"


def folder_digest(folder: Path, leave_out: Callable[[PurePath], object] = lambda path: False) -> str:
    """Return the digest as 64 hexadecimal digits; of a single file it is the file's own. Anybody can compute it without Daulat::

        cd FOLDER && find . -type f | sed 's|^./||' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum

    Files for whose path in the folder ``leave_out`` returns a true value aren't counted. Raises OSError where a file can't be read,
    and ValueError for links, which have no content of their own, for names with a line break, and for a folder without files.
    """
    if folder.is_file():
        return file_digest(folder)
    files = sorted(_files(folder, leave_out), key=lambda path: os.fsencode(path.relative_to(folder)))
    if not files:
        raise ValueError(f"{folder} holds no file")
    # Hashing releases the interpreter's lock, and reading waits for the disk: a thread per processor keeps both busy.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(file_digest, files))
    lines = (
        b"%s  %s\n" % (d.encode(), os.fsencode(f.relative_to(folder))) for d, f in zip(digests, files, strict=True)
    )
    return hashlib.sha256(b"".join(lines)).hexdigest()


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits. Raises OSError, which names the file."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        # Only an error of open() says which file it was.
        error.filename = error.filename or str(file)
        raise


def walk(folder: Path) -> Iterator[Path]:
    """List all that lies in a folder and below. Raises OSError where a folder in it can't be listed.

    ``Path.rglob`` leaves such a folder out instead (PermissionError in Python 3.11, any OSError in 3.13), and weights that merely
    can't be read would pass for different ones.
    """
    for where, folders, files in os.walk(folder, onerror=_refuse):
        yield from (Path(where, name) for name in (*folders, *files))


def _refuse(error: OSError) -> NoReturn:
    raise error


def _files(folder: Path, leave_out: Callable[[PurePath], object]) -> list[Path]:
    found: list[Path] = []
    for path in walk(folder):
        if leave_out(path.relative_to(folder)):
            continue
        if path.is_symlink():
            raise ValueError(f"{path.relative_to(folder)}: {_FOLLOWS_NONE}")
        if path.is_file():
            if "\n" in path.name or "\\" in path.name:
                raise ValueError(f"{path.relative_to(folder)!s:.100}: its name has a line break or a backslash")
            found.append(path)
    return found
