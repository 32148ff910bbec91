"""Puts static manifests into a directory that API servers read: each file in one step, and nobody else's file touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

MARK = "Written by daulat compile, which replaces and removes this file."


class NotOurs(Exception):
    """A file of that name is there that this command hasn't written."""


def put(root: Path, files: Mapping[str, str | None]) -> tuple[list[str], list[str]]:
    """Write files by their path under the directory, and remove those that are None. Return what was written and removed.

    Nothing is touched where one of them is somebody else's (NotOurs). A file whose contents are right isn't written again.
    """
    for name in files:
        if (root / name).exists() and MARK not in (root / name).read_text(encoding="utf-8", errors="replace"):
            raise NotOurs(f"{root / name} is there and wasn't written by daulat compile; move it away")
    written, removed = [], []
    for name, text in files.items():
        if text is not None and _replace(root / name, text):
            written.append(name)
    for name, text in files.items():
        if text is None and (root / name).exists():
            (root / name).unlink()
            removed.append(name)
    return written, removed


def _replace(path: Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    # A name that the API server doesn't read, until it is whole.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True
