"""The Python packages of the image: what the lock pins for its platform, fetched as wheels by hash, and unpacked."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say
from dev.cluster.machine import MACHINES
from dev.cluster.paths import ROOT, cache_dir

from . import facts
from .oci import Files, tree

LOCK = ROOT / "requirements" / "weights.txt"
# Neither is of use at run time.
_LEFT_OUT = ("*.pyi", "tests", "__pycache__")
_DATA = re.compile(r"^[^/]+\.data/(?P<scheme>[^/]+)/(?P<path>.+)$")
_OLD_PLATFORMS = {"amd64": ("manylinux2014", "manylinux2010", "manylinux1"), "arm64": ("manylinux2014",)}


@dataclass(frozen=True)
class Wheel:
    """A wheel, by its own metadata."""

    path: Path
    name: str
    version: str
    sha256: str
    metadata: Message


def selected(lock: str, architecture: str) -> list[str]:
    """Return the requirements of a lock that hold on the image's platform, without markers and with their hashes."""
    found = []
    for line in lock.replace("\\\n", " ").splitlines():
        text, _, hashes = line.partition("--hash=")
        if not text.strip() or text.startswith("#"):
            continue
        requirement = Requirement(text.strip())
        if not hashes:
            raise ClusterError(f"{LOCK.name} has no hash of {requirement.name}: run `make lock`.")
        if requirement.marker is None or requirement.marker.evaluate(_environment(architecture)):
            found.append(f"{requirement.name}{requirement.specifier} --hash={' '.join(hashes.split())}")
    return found


def _environment(architecture: str) -> dict[str, str]:
    """Return what markers see: pip would evaluate them for the Python that runs it."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{facts.PYTHON}.0",
        "os_name": "posix",
        "platform_machine": MACHINES[architecture],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{facts.PYTHON}.0",
        "python_version": facts.PYTHON,
        "sys_platform": "linux",
        "extra": "",
    }


def fetch(architecture: str, say: Say) -> list[Wheel]:
    """Return the wheels, by name. ClusterError where a package has none for this platform, or pip can't fetch it."""
    wanted = "\n".join(selected(LOCK.read_text(), architecture))
    key = hashlib.sha256("\0".join([architecture, facts.PYTHON, wanted]).encode()).hexdigest()[:16]
    target = cache_dir() / "image" / "wheels" / key
    if not target.is_dir():
        say(f"fetching the wheels of {architecture}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{key}.", dir=target.parent) as name:
            scratch = Path(name)
            (scratch / "requirements.txt").write_text(wanted)
            _download(scratch / "requirements.txt", scratch / "wheels", architecture)
            try:
                (scratch / "wheels").rename(target)
            except OSError:
                if not target.is_dir():  # otherwise another process was first
                    raise
    return sorted(map(read, target.glob("*.whl")), key=lambda wheel: wheel.name)


def _download(requirements: Path, target: Path, architecture: str) -> None:
    machine = MACHINES[architecture]
    newest_first = [f"manylinux_2_{minor}" for minor in range(facts.GLIBC, 4, -1)]
    platforms = [f"--platform={name}_{machine}" for name in (*newest_first, *_OLD_PLATFORMS[architecture])]
    tags = ["--implementation=cp", f"--python-version={facts.PYTHON}"]
    tags += [f"--abi={abi}" for abi in (f"cp{facts.PYTHON.replace('.', '')}", "abi3", "none")]
    options = [
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        f"--requirement={requirements}",
        f"--dest={target}",
    ]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        *options,
        *tags,
        *platforms,
    ]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        raise ClusterError(f"the wheels of {architecture} can't be fetched: {said[:300]}")


def read(path: Path) -> Wheel:
    """Return what a wheel says of itself."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode(errors="replace"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(path, str(metadata["Name"]), str(metadata["Version"]), sha256, metadata)


def unpack(wheels: list[Wheel], folder: Path) -> Files:
    """Unpack wheels into a folder, and return them as they would be installed; their scripts have no use here."""
    found: Files = {}
    for wheel in wheels:
        root = folder / wheel.path.stem
        with zipfile.ZipFile(wheel.path) as archive:
            archive.extractall(root)
        for inside, path in _installed(root):
            at = f"{facts.PACKAGES}/{inside}"
            if at in found:
                raise ClusterError(f"two wheels of the image have {inside}: {wheel.name} is one of them.")
            found[at] = path
    return found


def _installed(root: Path) -> Iterator[tuple[str, Path]]:
    for inside, path in tree(root, "", _LEFT_OUT).items():
        assert isinstance(path, Path)
        data = _DATA.match(inside)
        if data is None:
            yield inside, path
        elif data["scheme"] in ("purelib", "platlib"):
            yield str(PurePosixPath(data["path"])), path
