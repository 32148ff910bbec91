"""Builds Go programs from a pinned module into a directory of the cache, once for each content of what they are built from.

The caller names the directory by a key over all that changes the programs. What the control plane and the nodes need beside it,
such as progress and several steps, is in ``build``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dev.cluster import toolchain
from dev.cluster.build import beside
from dev.cluster.cluster import announce
from dev.cluster.errors import ClusterError
from dev.cluster.locking import exclusive

FLAGS = ("-trimpath", "-ldflags", "-s -w")
Finish = Callable[[Path, Callable[..., str]], None]


def ensure(
    target: Path,
    title: str,
    go_mod: Path,
    arguments: Callable[[Path], Sequence[str]],
    lasts: str,
    finish: Finish = lambda directory, go: None,
    folder: Path | None = None,
) -> Path:
    """Return the directory with the programs, built first where it isn't there. ClusterError where Go can't build them.

    ``arguments`` follow ``go build`` and its FLAGS; they are given the directory to build into, and run in ``folder``, by default
    that of ``go_mod``.
    ``finish`` may put more into it; it is given what runs another go command and returns its output.
    """
    if target.is_dir():
        return target
    with exclusive(beside(target, ".lock"), announce, f"builds {title}"):
        if not target.is_dir():
            _build(target, title, go_mod, arguments, lasts, finish, folder or go_mod.parent)
    return target


def _build(
    target: Path,
    title: str,
    go_mod: Path,
    arguments: Callable[[Path], Sequence[str]],
    lasts: str,
    finish: Finish,
    folder: Path,
) -> None:
    command, environment = _toolchain(go_mod.read_text())
    announce(f"building {title}: {lasts}")
    temporary = beside(target, f".{os.getpid()}.tmp")
    scratch = temporary / "scratch"
    scratch.mkdir(parents=True)

    def go(*words: str) -> str:
        # Everything compiled passes through the scratch directory; a small /tmp in memory would not hold it.
        result = subprocess.run(
            [str(command), *words],
            check=False,
            cwd=folder,
            env={**environment, "GOTMPDIR": str(scratch)},
            capture_output=True,
            text=True,
        )
        if result.returncode != 0:
            raise ClusterError(f"Go could not build {title}: {result.stderr.strip()[-600:]}")
        return result.stdout

    try:
        go("build", *FLAGS, *arguments(temporary))
        finish(temporary, go)
        shutil.rmtree(scratch, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _toolchain(go_mod: str) -> tuple[Path, Mapping[str, str]]:
    """Return the Go command and its environment. A module newer than the pinned Go names its own in the line ``toolchain``."""
    required = toolchain.required_version(go_mod)
    named = re.search(r"^toolchain (go\S+)", go_mod, re.MULTILINE)
    if named is None:
        found = toolchain.find(announce, required)
        return found.path, found.environment()
    found = toolchain.find(announce)
    chosen = {} if found.version >= required else {"GOTOOLCHAIN": named[1]}
    return found.path, {**found.environment(), **chosen}
