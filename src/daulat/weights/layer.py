"""Unpacks a layer of an image over those below it, and touches nothing outside the folder of the weights.

tarfile's data filter refuses devices and drops owners. What it asks the operating system about paths depends on Python's release,
so names, links and whiteouts are held to stricter rules of their own (``containment``).
"""

from __future__ import annotations

import shutil
import stat
import tarfile
from pathlib import Path
from typing import IO

from daulat.api.weights import FETCH_FAILED

from .containment import folder_of, link_within, parts_of
from .problem import WeightsProblem

_WHITEOUT = ".wh."
_METADATA = ".wh..wh."
"""How names begin that say something about a folder, not of a file in it."""
_OPAQUE = ".wh..wh..opq"
Parts = tuple[str, ...]


def unpack(archive: IO[bytes], target: Path) -> None:
    """Unpack one layer. Raises WeightsProblem, tarfile.TarError, OSError."""
    own: set[Parts] = set()
    with tarfile.open(fileobj=archive) as tar:
        for member in tar:
            parts = parts_of(member.name)
            if parts and parts[-1].startswith(_WHITEOUT):
                _take_away(target, parts, own)
            else:
                _add(tar, member, parts, target)
                own.update(parts[:n] for n in range(1, len(parts) + 1))


def _add(tar: tarfile.TarFile, member: tarfile.TarInfo, parts: Parts, target: Path) -> None:
    if not parts:
        if not member.isdir():
            raise WeightsProblem(FETCH_FAILED, f"{member.name!r} would replace the folder of the weights")
        return
    folder = folder_of(target, parts, make=True)
    assert folder is not None  # noqa: S101 - it was made
    if member.issym():
        member = member.replace(linkname=link_within(parts, member.linkname), deep=False)
    elif member.islnk():
        linked = parts_of(member.linkname)
        _check_file(target, linked)
        member = member.replace(linkname="/".join(linked), deep=False)
    # What was there is replaced, not written through: it may be a link, or share its content with another name.
    if not (member.islnk() and linked == parts):
        _remove(folder / parts[-1], unless_folder=member.isdir())
        tar.extract(member.replace(name="/".join(parts), deep=False), target, filter="data")


def _check_file(target: Path, parts: Parts) -> None:
    """Refuse a hard link to anything but a file: a symbolic link means something else in another folder."""
    folder = folder_of(target, parts, make=False) if parts else None
    if folder is None or not stat.S_ISREG((folder / parts[-1]).lstat().st_mode):
        raise WeightsProblem(FETCH_FAILED, f"{'/'.join(parts)!r} is linked to and is no file of the weights")


def _take_away(target: Path, parts: Parts, own: set[Parts]) -> None:
    """Take away what a whiteout names: one entry of the layers below, or all that they have in a folder."""
    folder = folder_of(target, parts, make=False)
    if folder is None:
        return
    if parts[-1] == _OPAQUE:
        _clear(folder, parts[:-1], own)
    elif not parts[-1].startswith(_METADATA):
        name = parts[-1].removeprefix(_WHITEOUT)
        if name in ("", ".", ".."):
            raise WeightsProblem(
                FETCH_FAILED, f"{'/'.join(parts)!r} would remove the folder that it lies in, or one above it"
            )
        _remove(folder / name)


def _clear(folder: Path, parts: Parts, own: set[Parts]) -> None:
    """Empty a folder, but for what this layer itself has put there."""
    for path in list(folder.iterdir()):
        below = (*parts, path.name)
        if below not in own:
            _remove(path)
        elif path.is_dir() and not path.is_symlink():
            _clear(path, below, own)


def _remove(path: Path, *, unless_folder: bool = False) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        path.unlink()
    elif not unless_folder:
        shutil.rmtree(path)
