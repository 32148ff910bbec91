"""Builds the program that compiles and evaluates CEL as an API server does: ``python -m dev.expressions.build [--all]``.

Each minor version of Kubernetes has a go.mod of its own under ``versions/``, so the program is linked with the libraries of that
version. It is built once for each content of its sources, go.mod and go.sum.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from dev.cluster import ClusterError, toolchain
from dev.cluster.cluster import announce
from dev.cluster.locking import exclusive
from dev.cluster.paths import cache_dir

HERE = Path(__file__).resolve().parent
VERSIONS = tuple(sorted((p.stem for p in HERE.glob("versions/*.mod")), key=lambda v: int(v.partition(".")[2])))
"""The minor versions, such as ``1.30``, oldest first."""
OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]
FLAGS = ("-trimpath", "-ldflags", "-s -w")
PROGRAM = "expressions"


def program(version: str) -> Path:
    """Return the program for a minor version, built first where it isn't there. ClusterError where Go can't build it."""
    target = cache_dir() / "expressions" / f"{version}-{_key(version)}"
    if not target.is_dir():
        with exclusive(target.with_suffix(f"{target.suffix}.lock"), announce, f"builds the compiler of {version}"):
            if not target.is_dir():
                _build(version, target)
    return target / PROGRAM


def release(version: str) -> str:
    """Return the release of ``k8s.io/apiserver`` that a minor version stands for, such as ``v0.30.14``."""
    found = re.search(r"^\s*k8s\.io/apiserver (v\S+)", _modules(version).read_text(), re.MULTILINE)
    if not found:
        raise ClusterError(f"{_modules(version)} requires no k8s.io/apiserver: restore the file from git.")
    return found[1]


def _modules(version: str) -> Path:
    return HERE / "versions" / f"{version}.mod"


def _key(version: str) -> str:
    parts = [_modules(version), _modules(version).with_suffix(".sum"), *sorted(HERE.glob("*.go"))]
    text = "\0".join([*(p.read_text() for p in parts), *FLAGS, sys.platform, platform.machine()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _build(version: str, target: Path) -> None:
    go = toolchain.find(announce, toolchain.required_version(_modules(version).read_text()))
    announce(f"building the CEL compiler of Kubernetes {version}: about 3 minutes of processor time from nothing")
    temporary = target.with_suffix(f"{target.suffix}.{os.getpid()}.tmp")
    scratch = temporary / "scratch"
    scratch.mkdir(parents=True)
    try:
        # Everything compiled passes through the scratch directory; a small /tmp in memory would not hold it.
        environment = go.environment() | {"GOTMPDIR": str(scratch)}
        tag = "v" + version.replace(".", "_")
        command = [
            str(go.path),
            "build",
            *FLAGS,
            "-tags",
            tag,
            f"-modfile={_modules(version)}",
            "-o",
            str(temporary / PROGRAM),
        ]
        result = subprocess.run([*command, "."], check=False, cwd=HERE, env=environment, capture_output=True, text=True)
        if result.returncode != 0:
            raise ClusterError(f"Go could not build the CEL compiler of {version}: {result.stderr.strip()[-600:]}")
        shutil.rmtree(scratch, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    try:
        for wanted in VERSIONS if "--all" in sys.argv[1:] else (OLDEST, NEWEST):
            program(wanted)
    except ClusterError as error:
        sys.exit(f"error: {error}")
