"""Builds the program that compiles and evaluates CEL as an API server does: ``python -m dev.expressions.build [--all]``.

Each minor version of Kubernetes has a go.mod of its own under ``versions/``, so the program is linked with the libraries of that
version. It is built once for each content of its sources, go.mod and go.sum.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from pathlib import Path

from dev.cluster import ClusterError, gobuild
from dev.cluster.paths import cache_dir

HERE = Path(__file__).resolve().parent
VERSIONS = tuple(sorted((p.stem for p in HERE.glob("versions/*.mod")), key=lambda v: int(v.partition(".")[2])))
"""The minor versions, such as ``1.30``, oldest first."""
OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]
PROGRAM = "expressions"


def program(version: str) -> Path:
    """Return the program for a minor version, built first where it isn't there. ClusterError where Go can't build it."""
    target = cache_dir() / "expressions" / f"{version}-{_key(version)}"
    title, lasts = f"the CEL compiler of Kubernetes {version}", "about 3 minutes of processor time from nothing"
    modules = _modules(version)

    def arguments(directory: Path) -> list[str]:
        return ["-tags", "v" + version.replace(".", "_"), f"-modfile={modules}", "-o", str(directory / PROGRAM), "."]

    return gobuild.ensure(target, title, modules, arguments, lasts, folder=HERE) / PROGRAM


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
    text = "\0".join([*(p.read_text() for p in parts), *gobuild.FLAGS, sys.platform, platform.machine()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


if __name__ == "__main__":
    try:
        for wanted in VERSIONS if "--all" in sys.argv[1:] else (OLDEST, NEWEST):
            program(wanted)
    except ClusterError as error:
        sys.exit(f"error: {error}")
