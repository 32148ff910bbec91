"""Builds the whole image from the locks and this checkout. What the cache has of it isn't made again."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from dev.cluster.locking import Say
from dev.cluster.machine import ARCHITECTURES
from dev.cluster.paths import ROOT

from . import archive, debian, facts, sbom, wheels
from .archive import Built, Platform, Release
from .layers import Layer, cached, write
from .oci import Files, Link, tree


def version() -> str:
    """Return the version of this checkout."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def build(
    folder: Path,
    say: Say,
    release: Release,
    architectures: Sequence[str] = ARCHITECTURES,
    lock: Path = debian.LOCK,
) -> Built:
    """Write the archive and its bills of materials into a folder. ClusterError where a part can't be had."""
    folder.mkdir(parents=True, exist_ok=True)
    own = write(_own(), folder / "own.tar.gz")
    try:
        platforms = [_platform(architecture, own, release.version, lock, say) for architecture in architectures]
        built = archive.write(platforms, release, folder / f"daulat-{release.version}.oci.tar")
    finally:
        own.path.unlink()
    for architecture, document in built.documents.items():
        (folder / f"daulat-{release.version}.{architecture}.cdx.json").write_bytes(document)
    return built


def _platform(architecture: str, own: Layer, version: str, lock: Path, say: Say) -> Platform:
    base, debian_parts = _base(architecture, lock, say)
    packages, wheel_parts = _packages(architecture, say)
    return Platform(architecture, (base, packages, own), [sbom.of_daulat(version), *debian_parts, *wheel_parts])


def _base(architecture: str, lock: Path, say: Say) -> tuple[Layer, list[sbom.Part]]:
    pinned = debian.read_lock(lock.read_text(), architecture)

    def make(folder: Path) -> tuple[Files, bytes]:
        unpacked = [debian.unpack(package, folder, say) for package in pinned]
        return debian.base(unpacked), sbom.dump(sbom.of_debian(unpacked, architecture))

    layer, note = cached(f"base-{architecture}", [str(package) for package in pinned], make)
    return layer, sbom.load(note)


def _packages(architecture: str, say: Say) -> tuple[Layer, list[sbom.Part]]:
    def make(folder: Path) -> tuple[Files, bytes]:
        found = wheels.fetch(architecture, say)
        return _environment() | wheels.unpack(found, folder), sbom.dump(map(sbom.of_wheel, found))

    wanted = wheels.selected(wheels.LOCK.read_text(), architecture)
    layer, note = cached(f"packages-{architecture}", wanted, make)
    return layer, sbom.load(note)


def _environment() -> Files:
    """Return what makes a folder a virtual environment, as ``python -m venv`` does."""
    settings = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {facts.PYTHON}\n"
    return {
        f"{facts.HOME}/pyvenv.cfg": settings.encode(),
        facts.PROGRAM: Link(f"/usr/bin/python{facts.PYTHON}"),
        f"{facts.HOME}/bin/daulat": facts.SCRIPT.encode(),
    }


def _own() -> Files:
    """Return the operator's own code, which is the same on every architecture."""
    return tree(ROOT / "src" / "daulat", f"{facts.SOURCE}/daulat", ("__pycache__", "*.pyc", ".*"))
