"""Files that download tools leave in a folder of weights. They are no part of the weights, and differ after each download."""

from __future__ import annotations

from pathlib import Path, PurePath

from .digest import walk

_FOLDERS = (".cache/huggingface", ".git", "._____temp")
""".cache/huggingface: ``hf download --local-dir`` (huggingface_hub, ``local_dir``). .git: a clone. ._____temp: ModelScope."""
_FILES = (".msc", ".mv", ".mdl", ".DS_Store")
"""ModelScope's three, and the macOS Finder's."""
_UNFINISHED = (".incomplete", ".aria2", ".part", ".partial", ".crdownload")
"""How names end for as long as huggingface_hub, aria2, curl and wget wrappers, rclone and browsers aren't done."""


def left_by_tool(path: PurePath) -> str:
    """Return which path in the folder a file belongs to that isn't part of the weights; empty for a file of the weights.

    ``path`` is relative to the folder.
    """
    name = path.as_posix()
    folder = next((f for f in _FOLDERS if name == f or name.startswith(f"{f}/")), "")
    return folder or (name if path.name in _FILES else "")


def left_by_tools(folder: Path) -> list[str]:
    """Return what download tools left in a folder: folders of theirs as a whole, and single files. Raises OSError."""
    found = (left_by_tool(path.relative_to(folder)) for path in walk(folder) if not path.is_dir())
    return sorted({each for each in found if each})


def unfinished(folder: Path) -> list[str]:
    """Return the files that a tool is still downloading, or that were left when it was stopped. Raises OSError."""
    names = (path.relative_to(folder) for path in walk(folder) if path.name.endswith(_UNFINISHED))
    return sorted(str(name) for name in names if not left_by_tool(name))
