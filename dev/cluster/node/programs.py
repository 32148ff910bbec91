"""The programs that real nodes and a model on them take, all of which are built or fetched once, into the user's cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dev.cluster import build
from dev.cluster.locking import Say

from . import debian, engine
from .build import NODE


@dataclass(frozen=True)
class Programs:
    """Where they lie."""

    node: Path
    """The directory of a real node's programs."""
    engine: Path
    busybox: Path


def are_built() -> bool:
    """Say whether what takes minutes to build is there."""
    return build.directory(NODE).is_dir() and engine.path().exists()


def ensure(say: Say) -> Programs:
    """Return the programs, built first where they aren't there. ClusterError where this machine can't build them."""
    # The cheapest first: who can't have it needn't wait for the others.
    busybox = debian.busybox(say)
    return Programs(build.ensure(say, NODE).directory, engine.ensure(say), busybox)
