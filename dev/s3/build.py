"""Builds ``versitygw`` from its pinned modules, once for each content of go.mod and go.sum."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

from dev.cluster import gobuild
from dev.cluster.paths import cache_dir

HERE = Path(__file__).resolve().parent
PROGRAM = "versitygw"


def program() -> Path:
    """Return the program, built first where it isn't there. ClusterError where Go can't build it."""

    def arguments(directory: Path) -> list[str]:
        return ["-o", str(directory / PROGRAM), f"github.com/versity/versitygw/cmd/{PROGRAM}"]

    target = cache_dir() / "s3" / _key()
    lasts = "about 2 minutes of processor time from nothing"
    return gobuild.ensure(target, "the server of S3", HERE / "go.mod", arguments, lasts) / PROGRAM


def _key() -> str:
    parts = [(HERE / name).read_text() for name in ("go.mod", "go.sum")]
    text = "\0".join([*parts, *gobuild.FLAGS, sys.platform, platform.machine()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
