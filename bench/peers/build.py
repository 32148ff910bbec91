"""Builds gator and kyverno from their pinned modules, once for each content of go.mod and go.sum.

Each stands in a module of its own, so that it is linked with the versions that its own project chose.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from dev.cluster import ClusterError, toolchain
from dev.cluster.cluster import announce
from dev.cluster.locking import exclusive
from dev.cluster.paths import cache_dir

HERE = Path(__file__).resolve().parent
# The name that Go gives each binary: the last element of its import path.
TOOLS = {"gator": "gator", "kyverno": "kubectl-kyverno"}
FLAGS = ["-trimpath", "-ldflags", "-s -w"]


def binary(peer: str) -> Path:
    """Return the peer's binary, built first where it isn't there. ClusterError where Go can't build it."""
    module = HERE / peer
    text = "\0".join([(module / "go.mod").read_text(), (module / "go.sum").read_text(), *FLAGS])
    key = hashlib.sha256(f"{text}\0{sys.platform}\0{platform.machine()}".encode()).hexdigest()[:12]
    target = cache_dir() / "peers" / f"{peer}-{key}"
    if target.is_dir():
        return target / TOOLS[peer]
    with exclusive(target.with_suffix(".lock"), announce, f"builds {peer}"):
        if not target.is_dir():
            _build(peer, module, target)
    return target / TOOLS[peer]


def version(peer: str) -> str:
    """Return the version that the peer's go.mod pins."""
    tool = next(line for line in (HERE / peer / "go.mod").read_text().splitlines() if line.startswith("tool "))
    path = tool.removeprefix("tool ")
    for line in (HERE / peer / "go.mod").read_text().splitlines():
        words = line.replace("require", "").split()
        if len(words) > 1 and path.startswith(f"{words[0]}/") and words[1].startswith("v"):
            return words[1]
    raise ClusterError(f"bench/peers/{peer}/go.mod requires no module of its tool: restore the file from git.")


def _build(peer: str, module: Path, target: Path) -> None:
    go = toolchain.find(announce, toolchain.required_version((module / "go.mod").read_text()))
    announce(f"building {peer} {version(peer)}: several minutes on 2 cores from nothing")
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    scratch = temporary / "scratch"
    scratch.mkdir(parents=True)
    try:
        # Everything compiled passes through the scratch directory; a small /tmp in memory would not hold it.
        environment = go.environment() | {"GOTMPDIR": str(scratch)}
        command = [str(go.path), "build", *FLAGS, "-o", f"{temporary}/", "tool"]
        result = subprocess.run(command, check=False, cwd=module, env=environment, capture_output=True, text=True)
        if result.returncode != 0:
            raise ClusterError(f"Go could not build {peer}: {result.stderr.strip()[-600:]}")
        shutil.rmtree(scratch, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    for name in TOOLS:
        print(binary(name))
