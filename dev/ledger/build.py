"""Builds the program that verifies a log with ``golang.org/x/mod/sumdb``, once for each content of its sources."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

from dev.cluster import gobuild
from dev.cluster.paths import cache_dir

HERE = Path(__file__).resolve().parent
PROGRAM = "ledger"


def program() -> Path:
    """Return the program, built first where it isn't there. ClusterError where Go can't build it."""

    def arguments(directory: Path) -> list[str]:
        return ["-o", str(directory / PROGRAM), "."]

    target = cache_dir() / "ledger" / _key()
    return gobuild.ensure(target, "the log's verifier in Go", HERE / "go.mod", arguments, "a few seconds") / PROGRAM


def _key() -> str:
    parts = [HERE / "go.mod", HERE / "go.sum", *sorted(HERE.glob("*.go"))]
    text = "\0".join([*(p.read_text() for p in parts), *gobuild.FLAGS, sys.platform, platform.machine()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
