"""Builds the controllers of other projects: ``python -m dev.neighbours.build``. Each has a go.mod of its own.

Beside each program lie the manifests of its release, which ``kubectl kustomize`` renders from its module.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import ClusterError, gobuild
from dev.cluster.addons.fetch import LOADER
from dev.cluster.build import ensure
from dev.cluster.cluster import announce
from dev.cluster.paths import cache_dir

HERE = Path(__file__).resolve().parent
MANIFESTS = "manifests.yaml"
SAMPLES = "samples"
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Neighbour:
    """A controller of another project."""

    name: str
    """Its name, and the folder of its go.mod."""
    module: str
    package: str
    manifests: str
    """The folder of the module that ``kubectl kustomize`` renders."""
    lasts: str
    samples: tuple[str, ...] = ()
    """Files of the module with sample workloads, which are kept beside the program."""


DESCHEDULER = Neighbour(
    "descheduler",
    "sigs.k8s.io/descheduler",
    "sigs.k8s.io/descheduler/cmd/descheduler",
    "kubernetes/base",
    "about 4 minutes on 2 cores from nothing",
)
KUEUE = Neighbour(
    "kueue",
    "sigs.k8s.io/kueue",
    "sigs.k8s.io/kueue/cmd/kueue",
    "config/default",
    "about 5 minutes on 2 cores from nothing",
)
KUBERAY = Neighbour(
    "kuberay",
    "github.com/ray-project/kuberay/ray-operator",
    "github.com/ray-project/kuberay/ray-operator",
    "config/default-with-webhooks",
    "about 4 minutes on 2 cores from nothing",
    tuple(
        f"config/samples/ray-{name}.yaml"
        for name in ("cluster.sample", "cluster.autoscaler", "job.sample", "service.sample")
    ),
)
NEIGHBOURS = (DESCHEDULER, KUEUE, KUBERAY)


def program(neighbour: Neighbour) -> Path:
    """Return the program, built first where it isn't there. ClusterError where Go can't build it."""
    folder = HERE / neighbour.name
    texts = [(folder / name).read_text() for name in ("go.mod", "go.sum")]
    parts = [*texts, *gobuild.FLAGS, neighbour.package, neighbour.manifests, *neighbour.samples]
    parts += [sys.platform, platform.machine()]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    target = cache_dir() / "neighbours" / f"{neighbour.name}-{key}"

    def arguments(directory: Path) -> tuple[str, ...]:
        return "-o", str(directory / neighbour.name), neighbour.package

    finish = partial(_render, neighbour)
    built = gobuild.ensure(target, neighbour.name, folder / "go.mod", arguments, neighbour.lasts, finish)
    return built / neighbour.name


def manifests(neighbour: Neighbour) -> list[Manifest]:
    """Return all objects of the release."""
    text = (program(neighbour).parent / MANIFESTS).read_text()
    return [found for found in yaml.load_all(text, LOADER) if found]


def sample(neighbour: Neighbour, name: str) -> list[Manifest]:
    """Return the objects of a file of `samples`, by the file's name."""
    text = (program(neighbour).parent / SAMPLES / name).read_text()
    return [found for found in yaml.load_all(text, LOADER) if found]


def _render(neighbour: Neighbour, directory: Path, go: Callable[..., str]) -> None:
    module = Path(go("list", "-m", "-f", "{{.Dir}}", neighbour.module).strip())
    command = [str(ensure(announce)["kubectl"]), "kustomize", str(module / neighbour.manifests)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise ClusterError(f"the manifests of {neighbour.name} can't be rendered: {result.stderr.strip()}")
    (directory / MANIFESTS).write_text(result.stdout)
    (directory / SAMPLES).mkdir()
    for path in neighbour.samples:
        shutil.copyfile(module / path, directory / SAMPLES / Path(path).name)


if __name__ == "__main__":
    try:
        for wanted in NEIGHBOURS:
            print(program(wanted))
    except ClusterError as error:
        sys.exit(f"error: {error}")
