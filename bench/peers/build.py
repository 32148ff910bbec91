"""Builds gator and kyverno from their pinned modules, once for each content of go.mod and go.sum.

Each stands in a module of its own, so that it is linked with the versions that its own project chose.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

from dev.cluster import ClusterError, gobuild
from dev.cluster.paths import cache_dir

HERE = Path(__file__).resolve().parent
# The name that Go gives each binary: the last element of its import path.
TOOLS = {"gator": "gator", "kyverno": "kubectl-kyverno"}


def binary(peer: str) -> Path:
    """Return the peer's binary, built first where it isn't there. ClusterError where Go can't build it."""
    module = HERE / peer
    text = "\0".join([(module / "go.mod").read_text(), (module / "go.sum").read_text(), *gobuild.FLAGS])
    key = hashlib.sha256(f"{text}\0{sys.platform}\0{platform.machine()}".encode()).hexdigest()[:12]
    target = cache_dir() / "peers" / f"{peer}-{key}"
    title, lasts = f"{peer} {version(peer)}", "several minutes on 2 cores from nothing"

    def arguments(directory: Path) -> list[str]:
        return ["-o", f"{directory}/", "tool"]

    return gobuild.ensure(target, title, module / "go.mod", arguments, lasts) / TOOLS[peer]


def version(peer: str) -> str:
    """Return the version that the peer's go.mod pins."""
    tool = next(line for line in (HERE / peer / "go.mod").read_text().splitlines() if line.startswith("tool "))
    path = tool.removeprefix("tool ")
    for line in (HERE / peer / "go.mod").read_text().splitlines():
        words = line.replace("require", "").split()
        if len(words) > 1 and path.startswith(f"{words[0]}/") and words[1].startswith("v"):
            return words[1]
    raise ClusterError(f"bench/peers/{peer}/go.mod requires no module of its tool: restore the file from git.")


if __name__ == "__main__":
    for name in TOOLS:
        print(binary(name))
