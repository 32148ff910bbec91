"""The files of this very Python, with packages and the libraries of both, so that they run where there is nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterator, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath

from dev.cluster.errors import ClusterError

from .oci import Files, tree

_LEFT_OUT = ("__pycache__", "*.pyc", "*.pyi", "*.a", "test", "tests", "idlelib", "turtledemo", "tkinter", "lib2to3")
_NOT_ITS_OWN = ("site-packages", "dist-packages", "ensurepip", "config-*", "_test*.so", "_tkinter*.so", "xx*.so")
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==\S+(?P<marker> ;)?")
_LIBRARY = re.compile(r"^\t(?:(?P<name>\S+) => )?(?P<path>/\S+) \(0x")


def files(at: str, requirements: Path, without: Collection[str] = ()) -> Files:
    """Return an interpreter as ``at``/bin/python, with its library, what a lock pins in ``at``/packages, and shared libraries in
    ``at``/lib.

    Packages are those that are installed beside the Python that runs this. Raises ClusterError where one isn't.
    """
    found: Files = {f"{at}/bin/python": Path(sys.executable).resolve()}
    standard = Path(sysconfig.get_path("stdlib"))
    inside = f"{at}/{standard.relative_to(sys.base_prefix)}"
    found |= tree(standard, inside, (*_LEFT_OUT, *_NOT_ITS_OWN))
    for distribution in _pinned(requirements, without):
        found |= {f"{at}/packages/{name}": path for name, path in _installed(distribution)}
    return found | _libraries(at, [p for p in found.values() if isinstance(p, Path)])


def _pinned(requirements: Path, without: Collection[str]) -> Iterator[metadata.Distribution]:
    pins = [pin for line in requirements.read_text().splitlines() if (pin := _PIN.match(line))]
    for pin in pins:
        if pin["name"] in without:
            continue
        try:
            yield metadata.distribution(pin["name"])
        except metadata.PackageNotFoundError as error:
            # One that is for other systems only has a marker that says so.
            if not pin["marker"]:
                raise ClusterError(
                    f"{pin['name']} isn't installed beside {sys.executable}: run `make .venv/ready`."
                ) from error


def _installed(distribution: metadata.Distribution) -> Iterator[tuple[str, Path]]:
    for file in distribution.files or []:
        outside = file.parts[0] == ".."
        if outside or any(PurePosixPath(part).match(pattern) for part in file.parts for pattern in _LEFT_OUT):
            continue
        path = Path(str(file.locate()))
        if path.is_file():
            yield str(file), path


def _libraries(at: str, programs: Sequence[Path]) -> Files:
    """Return what the dynamic loader would bring for these files, and the loader, at the path that is written into programs."""
    own = {path.resolve() for path in programs}
    elf = [path for path in programs if ".so" in path.name or path == Path(sys.executable).resolve()]
    told = subprocess.run(["ldd", *map(str, elf)], check=False, capture_output=True, text=True)
    found: Files = {}
    for library in filter(None, map(_LIBRARY.match, told.stdout.splitlines())):
        path = Path(library["path"])
        # Packages bring libraries along, and find them by where they are themselves.
        if path.resolve() not in own:
            found[f"{at}/lib/{library['name']}" if library["name"] else library["path"]] = path
    if not found:
        raise ClusterError(f"ldd doesn't tell which libraries {sys.executable} needs: {told.stderr.strip()[:200]}")
    return found
