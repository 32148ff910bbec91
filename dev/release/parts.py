"""Builds the parts of a release, each the same bytes for the same commit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml

from dev.cluster.build import ensure
from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say
from dev.cluster.paths import ROOT

CHART = ROOT / "charts" / "daulat"
CRDS = "crds.yaml"
CHANGELOG = "CHANGELOG.md"


def packages(folder: Path, say: Say, epoch: int) -> None:
    """Build the wheel and the sdist of the Python package."""
    say("building the wheel and the sdist")
    _run([sys.executable, "-m", "hatchling", "build", "--directory", str(folder)], epoch)


def chart(folder: Path, say: Say, epoch: int) -> None:
    """Package the chart. Helm takes over the times of files, so those of a copy are set."""
    say("packaging the chart")
    copy = folder / ".chart" / CHART.name
    shutil.copytree(CHART, copy)
    for path in sorted(copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (epoch, epoch))
    try:
        _run([str(ensure(say)["helm"]), "package", str(copy), "--destination", str(folder)], epoch)
    finally:
        shutil.rmtree(copy.parent)


def crds(folder: Path, say: Say, epoch: int) -> None:
    """Write all CustomResourceDefinitions into one file, for kubectl apply --server-side."""
    texts = [path.read_text().strip() for path in sorted((ROOT / "crds").glob("*.yaml"))]
    (folder / CRDS).write_text("\n---\n".join(text.removeprefix("---").strip() for text in texts) + "\n")


def changelog(folder: Path, say: Say, epoch: int) -> None:
    """Write what has changed since the last release, from its fragments."""
    text = _run([sys.executable, "-m", "towncrier", "build", "--draft", "--version", version()], epoch)
    (folder / CHANGELOG).write_text(text)


def image(folder: Path, say: Say, epoch: int) -> None:
    """Build the operator's image with its bills of materials."""
    _run([sys.executable, "-m", "dev.image", "build", "--output", str(folder), "--version", version()], epoch)


PARTS: dict[str, Callable[[Path, Say, int], None]] = {
    "packages": packages,
    "chart": chart,
    "crds": crds,
    "changelog": changelog,
    "image": image,
}


def version() -> str:
    """Return the version of this checkout. ClusterError where package and chart don't have the same."""
    package = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    if f'__version__ = "{package}"' not in (ROOT / "src" / "daulat" / "__init__.py").read_text():
        raise ClusterError(
            f"pyproject.toml has version {package}, and src/daulat/__init__.py another: make them the same."
        )
    described = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for name in ("version", "appVersion"):
        if described[name] != package:
            raise ClusterError(
                f"Chart.yaml has {name} {described[name]}, and the package is {package}: make them the same."
            )
    return package


def epoch_of_commit() -> int:
    """Return the time of the last commit in seconds, or SOURCE_DATE_EPOCH where that is set."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    return int(_run(["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], 0))


def _run(command: list[str], epoch: int) -> str:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC"}
    try:
        done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    except OSError as error:
        raise ClusterError(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise ClusterError(f"{' '.join(Path(word).name for word in command[:4])} failed: {said}")
    return done.stdout
