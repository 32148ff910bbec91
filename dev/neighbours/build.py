"""Builds the controllers of other projects: ``python -m dev.neighbours.build``. Each has a go.mod of its own.

Beside each program lie the manifests of its release, which ``kubectl kustomize`` renders from its module.
"""

from __future__ import annotations

import hashlib
import os
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
    """Its name, and by default the folder of its go.mod."""
    module: str
    package: str
    manifests: str
    """The folder of the module that ``kubectl kustomize`` renders; empty where ``files`` has the manifests."""
    lasts: str
    samples: tuple[str, ...] = ()
    """Files of the module with sample workloads, which are kept beside the program."""
    others: tuple[str, ...] = ()
    """Its further programs, as packages; ``package`` is then the folder of its go.mod, which has a main.go."""
    files: tuple[tuple[str, str], ...] = ()
    """Folders of manifests that aren't rendered, each as a module and a pattern of paths in it."""
    left_out: str = ""
    """A resource of the folder's kustomization that isn't rendered, such as one that is fetched from a URL."""
    beside: str = ""
    """The neighbour whose go.mod it shares."""


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
KNATIVE = Neighbour(
    "knative",
    "knative.dev/serving",
    ".",
    "",
    "about 8 minutes on 2 cores from nothing",
    others=("knative.dev/serving/cmd/webhook", "knative.dev/serving/cmd/autoscaler"),
    files=(
        ("knative.dev/serving", "config/core/**/*.yaml"),
        ("knative.dev/networking", "config/*.yaml"),
        ("knative.dev/caching", "config/*.yaml"),
    ),
)
JOBSET = Neighbour(
    "jobset",
    "sigs.k8s.io/jobset",
    "sigs.k8s.io/jobset",
    "config/default",
    "about 3 minutes on 2 cores from nothing",
    tuple(f"site/static/examples/simple/{name}.yaml" for name in ("coordinator", "exclusive-placement")),
    beside="trainer",
)
TRAINER = Neighbour(
    "trainer",
    "github.com/kubeflow/trainer/v2",
    "github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager",
    "manifests/overlays/manager",
    "about 3 minutes on 2 cores from nothing",
    tuple(
        f"manifests/base/runtimes/{file}" for file in ("torch_distributed.yaml", "torchtune/llama3_2/llama3_2_1B.yaml")
    ),
    # Its comment says to leave this out where JobSet is installed.
    left_out="../../third-party/jobset",
)
NEIGHBOURS = (DESCHEDULER, KNATIVE, KUEUE, KUBERAY, JOBSET, TRAINER)


def program(neighbour: Neighbour, name: str = "") -> Path:
    """Return a program, by default the first, built before where it isn't there. ClusterError where Go can't build it."""
    folder = HERE / (neighbour.beside or neighbour.name)
    texts = [p.read_text() for p in (folder / "go.mod", folder / "go.sum", *sorted(folder.glob("*.go")))]
    what = [neighbour.package, *neighbour.others, neighbour.manifests, *neighbour.samples]
    what += [" ".join(f) for f in neighbour.files]
    what += [neighbour.left_out] if neighbour.left_out else []
    parts = [*texts, *gobuild.FLAGS, *what, sys.platform, platform.machine()]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    target = cache_dir() / "neighbours" / f"{neighbour.name}-{key}"

    def arguments(directory: Path) -> tuple[str, ...]:
        # Into a folder, each program has the last part of its package's path as its name.
        into = f"{directory}/" if neighbour.others else str(directory / neighbour.name)
        return "-o", into, neighbour.package, *neighbour.others

    finish = partial(_gather if neighbour.files else _render, neighbour)
    built = gobuild.ensure(target, neighbour.name, folder / "go.mod", arguments, neighbour.lasts, finish)
    return built / (name or neighbour.name)


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
    folder = module / neighbour.manifests
    if neighbour.left_out:
        folder = _kustomization_without(folder, neighbour.left_out, directory / "kustomization")
    # Without a restriction it also reads files beside the folder that it renders.
    command = [str(ensure(announce)["kubectl"]), "kustomize", "--load-restrictor=LoadRestrictionsNone", str(folder)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise ClusterError(f"the manifests of {neighbour.name} can't be rendered: {result.stderr.strip()}")
    (directory / MANIFESTS).write_text(result.stdout)
    (directory / SAMPLES).mkdir()
    for path in neighbour.samples:
        shutil.copyfile(module / path, directory / SAMPLES / Path(path).name)


def _gather(neighbour: Neighbour, directory: Path, go: Callable[..., str]) -> None:
    found = []
    for module, pattern in neighbour.files:
        folder = Path(go("list", "-m", "-f", "{{.Dir}}", module).strip())
        found += [path.read_text() for path in sorted(folder.glob(pattern))]
    (directory / MANIFESTS).write_text("\n---\n".join(found))


def _kustomization_without(folder: Path, resource: str, target: Path) -> Path:
    """Write the kustomization of a folder into another, without one of its resources."""
    content = yaml.safe_load((folder / "kustomization.yaml").read_text())
    target.mkdir()
    kept = [os.path.relpath(folder / path, target) for path in content["resources"] if path != resource]
    (target / "kustomization.yaml").write_text(yaml.safe_dump({**content, "resources": kept}))
    return target


if __name__ == "__main__":
    try:
        for wanted in NEIGHBOURS:
            print(program(wanted))
    except ClusterError as error:
        sys.exit(f"error: {error}")
