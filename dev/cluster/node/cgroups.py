"""The cgroups of real nodes' pods, in both versions of them: made before a node is, removed once its processes have ended."""

from __future__ import annotations

import os
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
END_SECONDS = 10.0
"""For which what was killed may take to be gone."""


def of_cluster(cluster: str) -> str:
    """Return the cgroup of all pods of a cluster's real nodes."""
    return f"/daulat-dev-{cluster}"


def hierarchies() -> list[Path]:
    """Return where the cgroups of this machine are: with version 1, one place for each controller."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir() and not path.is_symlink()]


def make(name: str) -> None:
    """Make a cgroup in every hierarchy."""
    for hierarchy in hierarchies():
        path = hierarchy / name.lstrip("/")
        path.mkdir(parents=True, exist_ok=True)
        for above in (path.parent, path):
            _inherit_cpuset(above)


def _inherit_cpuset(path: Path) -> None:
    # A new cpuset of version 1 is empty, and nothing can be put into it.
    for file in ("cpuset.cpus", "cpuset.mems"):
        if (path / file).exists() and not (path / file).read_text().strip():
            (path / file).write_text((path.parent / file).read_text())


def places(cluster: str) -> list[Path]:
    """Return where the cgroups of a cluster's real nodes are; none where it has none."""
    return [place for top in hierarchies() if (place := top / of_cluster(cluster).lstrip("/")).is_dir()]


def clean_up(cluster: str) -> None:
    """Remove what a cluster's nodes leave on the machine: empty cgroups. Processes that were killed may take a moment to end."""
    tops = places(cluster)
    deadline = time.monotonic() + END_SECONDS
    while tops and time.monotonic() < deadline:
        tops = [top for top in tops if not _is_removed(top)]
        time.sleep(0.02 if tops else 0)


def _is_removed(top: Path) -> bool:
    for directory, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(directory)
        except OSError:
            return False
    return True
