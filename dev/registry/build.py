"""Builds the registry, crane and oras from their pinned modules, once for each content of go.mod and go.sum."""

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
PROGRAMS = ("registry", "crane", "oras")
FLAGS = ("-trimpath", "-ldflags", "-s -w")


def program(name: str) -> Path:
    """Return one of the programs, built first where it isn't there. ClusterError where Go can't build it."""
    text = "\0".join([(HERE / "go.mod").read_text(), (HERE / "go.sum").read_text(), *FLAGS])
    key = hashlib.sha256(f"{text}\0{sys.platform}\0{platform.machine()}".encode()).hexdigest()[:12]
    target = cache_dir() / "registry" / key
    if not target.is_dir():
        with exclusive(target.with_suffix(".lock"), announce, "builds the registry"):
            if not target.is_dir():
                _build(target)
    return target / name


def _build(target: Path) -> None:
    go = toolchain.find(announce, toolchain.required_version((HERE / "go.mod").read_text()))
    announce("building the registry, crane and oras: about 2 minutes of processor time from nothing")
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    scratch = temporary / "scratch"
    scratch.mkdir(parents=True)
    try:
        # Everything compiled passes through the scratch directory; a small /tmp in memory would not hold it.
        environment = go.environment() | {"GOTMPDIR": str(scratch)}
        command = [str(go.path), "build", *FLAGS, "-o", f"{temporary}/", "tool"]
        result = subprocess.run(command, check=False, cwd=HERE, env=environment, capture_output=True, text=True)
        if result.returncode != 0:
            raise ClusterError(f"Go could not build the registry: {result.stderr.strip()[-600:]}")
        shutil.rmtree(scratch, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    try:
        for each in PROGRAMS:
            print(program(each))
    except ClusterError as error:
        sys.exit(f"error: {error}")
