"""Builds ``litewitness`` and ``submit`` from their pinned modules, once for each content of what they are built from."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

from dev.cluster import gobuild
from dev.cluster.paths import cache_dir

HERE = Path(__file__).resolve().parent
LITEWITNESS = "litewitness"
SUBMIT = "submit"


def program(name: str) -> Path:
    """Return one of the programs, built first where it isn't there. ClusterError where Go can't build it."""

    def arguments(directory: Path) -> list[str]:
        return ["-o", f"{directory}/", ".", f"filippo.io/torchwood/cmd/{LITEWITNESS}"]

    target = cache_dir() / "witness" / _key()
    return gobuild.ensure(target, "litewitness", HERE / "go.mod", arguments, "about a minute from nothing") / name


def _key() -> str:
    parts = [HERE / "go.mod", HERE / "go.sum", *sorted(HERE.glob("*.go"))]
    text = "\0".join([*(p.read_text() for p in parts), *gobuild.FLAGS, sys.platform, platform.machine()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
