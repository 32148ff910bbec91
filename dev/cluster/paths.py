"""Where things are kept: binaries in the user's cache, clusters in the user's state; never in the checkout."""

from __future__ import annotations

import os
from pathlib import Path

MODULE_DIR = Path(__file__).resolve().parent
ROOT = MODULE_DIR.parent.parent
"""The checkout."""
STAGES = MODULE_DIR / "stages.yaml"
DEMO_SCENARIO = MODULE_DIR.parent / "scenarios" / "demo.yaml"
REAL_NODE_SCENARIO = DEMO_SCENARIO.with_name("demo-real-node.yaml")
"""The demo's, and one real node."""


def _home(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    # The XDG specification: a relative path is invalid and is to be ignored.
    base = Path(value) if value.startswith("/") else Path.home() / default
    return base / "daulat"


def cache_dir() -> Path:
    """What can be built again: Go, the binaries, their build logs."""
    return _home("XDG_CACHE_HOME", ".cache")


def clusters_dir() -> Path:
    """One directory a cluster; it exists exactly while the cluster does."""
    return _home("XDG_STATE_HOME", ".local/state") / "clusters"
