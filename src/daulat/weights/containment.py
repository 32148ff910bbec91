"""Keeps what a server names within the folder of the weights, without following a symbolic link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from daulat.api.weights import FETCH_FAILED

from .problem import WeightsProblem


def parts_of(name: str) -> tuple[str, ...]:
    """Return a name's parts, counted from the folder of the weights. Raises WeightsProblem where the name leads out of it."""
    parts = tuple(p for p in name.split("/") if p not in ("", "."))
    if ".." in parts or "\0" in name:
        raise WeightsProblem(FETCH_FAILED, f"{name!r} would lie outside the folder of the weights")
    return parts


def folder_of(target: Path, parts: tuple[str, ...], *, make: bool) -> Path | None:
    """Return the folder that a name lies in, None where it doesn't exist. Raises WeightsProblem where a part of it is no folder.

    Paths aren't resolved: before the releases of 2025 Python's ``realpath`` gave up on long ones, and tarfile's filters with it. A
    path that is made of folders alone can't lead out.
    """
    folder = target
    for part in parts[:-1]:
        folder /= part
        try:
            mode = folder.lstat().st_mode
        except FileNotFoundError:
            if not make:
                return None
            folder.mkdir()
            continue
        if not stat.S_ISDIR(mode):
            raise WeightsProblem(FETCH_FAILED, f"{'/'.join(parts)!r} leads through {part!r}, which is no folder")
    return folder


def place(target: Path, name: str) -> Path:
    """Return where a file of this name belongs, with the folders above it made. Raises WeightsProblem."""
    parts = parts_of(name)
    if not parts or name.startswith("/"):
        raise WeightsProblem(FETCH_FAILED, f"{name!r} would lie outside the folder of the weights")
    folder = folder_of(target, parts, make=True)
    assert folder is not None  # noqa: S101 - it was made
    return folder / parts[-1]


def link_within(parts: tuple[str, ...], to: str) -> str:
    """Return a symbolic link's destination, normalised: up through the folders above the link, then down. Raises WeightsProblem.

    The folders above it are no links, so it can't lead out, whatever the parts on the way down turn into.
    """
    normalised = os.path.normpath(to)
    up = [p for p in normalised.split("/") if p == ".."]
    if not to or to.startswith("/") or "\0" in to or len(up) >= len(parts):
        raise WeightsProblem(FETCH_FAILED, f"{'/'.join(parts)!r} links to {to!r}, outside the folder of the weights")
    return normalised
