"""Builds the GitOps engines: ``python -m dev.gitops.build``. Each has a go.mod of its own, as its project released it.

Beside each program lie the files of its module that it needs in a cluster or on its PATH, such as its CustomResourceDefinitions.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import ClusterError, gobuild
from dev.cluster.cluster import announce
from dev.cluster.node.debian import unpacked
from dev.cluster.paths import cache_dir

HERE = Path(__file__).resolve().parent
REDIS = ("redis-server", "redis-tools", "libjemalloc2", "liblua5.1-0", "liblzf1")
CRDS = "crds"


@dataclass(frozen=True)
class Engine:
    """A program of a GitOps engine."""

    name: str
    """Its name, and the folder of its go.mod."""
    package: str
    files: dict[str, tuple[str, ...]]
    """By the module that has them, patterns of the CustomResourceDefinitions and scripts that it comes with."""
    lasts: str


ARGOCD = Engine(
    "argocd",
    "github.com/argoproj/argo-cd/v3/cmd",
    {"github.com/argoproj/argo-cd/v3": ("manifests/crds/*-crd.yaml", "hack/git-verify-wrapper.sh")},
    "about 18 minutes on 2 cores from nothing",
)
KUSTOMIZE_CONTROLLER = Engine(
    "kustomize-controller",
    "github.com/fluxcd/kustomize-controller",
    {"github.com/fluxcd/kustomize-controller": ("config/crd/bases/*.yaml",)},
    "about 12 minutes on 2 cores from nothing",
)
SOURCE_CONTROLLER = Engine(
    "source-controller",
    "github.com/fluxcd/source-controller",
    {"github.com/fluxcd/source-controller": ("config/crd/bases/*.yaml",)},
    "about 10 minutes on 2 cores from nothing",
)
ENGINES = (ARGOCD, KUSTOMIZE_CONTROLLER, SOURCE_CONTROLLER)


def program(engine: Engine) -> Path:
    """Return the engine's program, built first where it isn't there. ClusterError where Go can't build it."""
    module = HERE / engine.name
    parts = [*((module / name).read_text() for name in ("go.mod", "go.sum")), *gobuild.FLAGS, engine.package]
    key = hashlib.sha256("\0".join([*parts, sys.platform, platform.machine()]).encode()).hexdigest()[:12]
    target = cache_dir() / "gitops" / f"{engine.name}-{key}"
    title, go_mod = engine.name, module / "go.mod"

    def arguments(directory: Path) -> tuple[str, ...]:
        return "-o", str(directory / engine.name), engine.package

    def finish(directory: Path, go: Callable[..., str]) -> None:
        _take_files(engine, directory, go)

    return gobuild.ensure(target, title, go_mod, arguments, engine.lasts, finish) / engine.name


def crds(engine: Engine) -> list[Path]:
    """Return the files of the engine's CustomResourceDefinitions."""
    return sorted((program(engine).parent / CRDS).iterdir())


def redis() -> tuple[Path, Path]:
    """Return redis-server, unpacked from Debian's packages, and the folder of its libraries."""
    root = unpacked(REDIS, "Argo CD needs redis-server", announce)
    (server,) = root.rglob("bin/redis-server")
    (library,) = root.rglob("libjemalloc.so.2")
    return server, library.parent


def _take_files(engine: Engine, directory: Path, go: Callable[..., str]) -> None:
    (directory / CRDS).mkdir()
    for module, patterns in engine.files.items():
        source = Path(go("list", "-m", "-f", "{{.Dir}}", module).strip())
        for path in (found for pattern in patterns for found in source.glob(pattern)):
            script = path.suffix == ".sh"
            copy = directory / path.name if script else directory / CRDS / path.name
            shutil.copyfile(path, copy)
            # The module's zip has lost the mode.
            copy.chmod(0o755 if script else 0o644)


if __name__ == "__main__":
    try:
        for wanted in ENGINES:
            print(program(wanted))
        redis()
    except ClusterError as error:
        sys.exit(f"error: {error}")
