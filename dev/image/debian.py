"""The Debian packages of the image: read from the lock, fetched by their SHA-256, and unpacked without being installed."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say
from dev.cluster.paths import ROOT, cache_dir

from . import facts
from .oci import Files, Folder, Link, tree

LOCK = ROOT / "requirements" / "debian.txt"
REFRESH = "make image-refresh"
MIRROR_VARIABLE = "DEBIAN_MIRROR"
MIRROR = "http://deb.debian.org"
"""Plain HTTP will do: what comes is compared with the SHA-256 of the lock."""
_LINE = re.compile(
    r"^(?P<name>\S+) (?P<version>\S+) (?P<architecture>\S+) sha256:(?P<sha256>[0-9a-f]{64}) (?P<path>\S+)$"
)
# The image gets these and nothing else. Programs are Python alone; of documentation, what licences want to be handed on.
_KEPT = (
    f"usr/bin/python{facts.PYTHON}",
    "usr/lib/os-release",
    "usr/lib/*-linux-gnu/*.so*",
    "usr/lib/*-linux-gnu/ossl-modules/*.so",
    "usr/lib/ld-linux-*",
    "usr/lib64/ld-linux-*",
    f"usr/lib/python{facts.PYTHON}/**",
    "usr/share/doc/*/copyright",
    # Where another package of the same source has them.
    "usr/share/doc/*",
    "usr/share/common-licenses/*",
    "etc/debian_version",
)
_LEFT_OUT = (
    *("test", "idlelib", "lib2to3", "turtledemo", "tkinter", "ensurepip", "config-*", "pydoc_data", "__phello__"),
    *("_test*.so", "_xxtestfuzz*.so", "_ctypes_test*.so", "xx*.so"),
    # These are linked with libraries that nothing here uses.
    *("_curses*.so", "readline.*.so", "_dbm.*.so", "_gdbm.*.so", "_tkinter*.so"),
    # It points to /etc, and is empty.
    "sitecustomize.py",
)
_CERTIFICATES = "usr/share/ca-certificates/mozilla"


class Dropped(ClusterError):
    """A mirror no longer has a version that the lock pins."""


@dataclass(frozen=True)
class Package:
    """A package as the lock pins it."""

    name: str
    version: str
    architecture: str
    """amd64, arm64 or all."""
    sha256: str
    path: str
    """On a mirror."""

    def __str__(self) -> str:
        return f"{self.name} {self.version} {self.architecture} sha256:{self.sha256} {self.path}"


@dataclass(frozen=True)
class Unpacked:
    """What a package brings."""

    package: Package
    control: str
    """Its control file, by which scanners know what is installed."""
    copyright: str
    """Its licences in Debian's words; empty where another package has them."""
    licensed_with: str
    """The package that has them."""
    files: Files


def read_lock(text: str, architecture: str) -> list[Package]:
    """Return the packages of an architecture, by name. ClusterError where a line isn't understood or a package is missing."""
    found: dict[str, Package] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if not (match := _LINE.match(line)):
            raise ClusterError(f"{LOCK.name} line {number} isn't a pinned package: run `{REFRESH}`.")
        package = Package(**match.groupdict())
        if package.architecture in (architecture, "all"):
            found[package.name] = package
    if missing := sorted(set(facts.DEBIAN) - set(found)):
        raise ClusterError(f"{LOCK.name} pins no {', '.join(missing)} for {architecture}: run `{REFRESH}`.")
    return [found[name] for name in sorted(facts.DEBIAN)]


def fetch(package: Package, say: Say) -> Path:
    """Return the package's file, from the cache or from a mirror. ClusterError where no mirror has these bytes."""
    target = cache_dir() / "image" / "debian" / f"{package.sha256}.deb"
    if target.exists():
        return target
    url = f"{os.environ.get(MIRROR_VARIABLE, MIRROR).rstrip('/')}/{package.path}"
    say(f"fetching {package.name} {package.version} for {package.architecture}")
    try:
        with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - the digest decides
            content = response.read()
    except urllib.error.HTTPError as error:
        if error.code == http.client.NOT_FOUND:
            raise Dropped(
                f"Debian has dropped {package.name} {package.version} ({url}): run `{REFRESH}`, which pins the "
                "versions of today, and commit the lock."
            ) from error
        raise ClusterError(
            f"{url} answers {error.code} {error.reason}: try again, or set {MIRROR_VARIABLE}."
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ClusterError(f"{url} can't be fetched ({error}): set {MIRROR_VARIABLE} to a mirror.") from error
    if (found := hashlib.sha256(content).hexdigest()) != package.sha256:
        raise ClusterError(f"{url} has the SHA-256 {found}, and the lock has {package.sha256}: don't use that mirror.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(content)
    Path(file.name).rename(target)
    return target


def unpack(package: Package, folder: Path, say: Say) -> Unpacked:
    """Unpack a package into a folder of its own, and return what of it the image gets."""
    if shutil.which("dpkg-deb") is None:
        raise ClusterError("the image needs dpkg-deb, with which Debian packages are unpacked: install dpkg.")
    archive, root = fetch(package, say), folder / package.name
    root.mkdir(parents=True)
    for command in (["--extract", str(archive), str(root)], ["--control", str(archive), str(root / "DEBIAN")]):
        done = subprocess.run(["dpkg-deb", *command], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise ClusterError(f"dpkg-deb can't unpack {package.name}: {done.stderr.strip()[-300:]}")
    found = tree(root, "", _LEFT_OUT)
    files: Files = {f"/{path}": content for path, content in found.items() if _is_kept(path)}
    if certificates := sorted(path for path in found if path.startswith(f"{_CERTIFICATES}/")):
        # As update-ca-certificates writes them: each a PEM that ends with a line break.
        files["/etc/ssl/certs/ca-certificates.crt"] = b"".join((root / path).read_bytes() for path in certificates)
    documents = root / "usr" / "share" / "doc" / package.name
    terms = documents / "copyright"
    return Unpacked(
        package,
        control=(root / "DEBIAN" / "control").read_text(),
        copyright=terms.read_text(errors="replace") if terms.is_file() else "",
        licensed_with=PurePosixPath(os.readlink(documents)).name if documents.is_symlink() else package.name,
        files=files,
    )


def _is_kept(path: str) -> bool:
    return any(_matches(path, pattern) for pattern in _KEPT)


def _matches(path: str, pattern: str) -> bool:
    below = pattern.removesuffix("/**")
    if below != pattern:
        return path.startswith(f"{below}/")
    # PurePath.match would take a pattern for the end of a path.
    return path.count("/") == pattern.count("/") and PurePosixPath(path).match(pattern)


def base(unpacked: list[Unpacked]) -> Files:
    """Return the image's lowest layer: the packages, and what their scripts would make. ClusterError where two have one file."""
    user, _, group = facts.USER.partition(":")
    files: Files = {
        # Where programs look for the dynamic loader.
        "/lib": Link("usr/lib"),
        "/lib64": Link("usr/lib64"),
        "/tmp": Folder(0o1777),
        "/etc/os-release": Link("../usr/lib/os-release"),
        # Where OpenSSL looks by itself. A directory of hashed names would need a program to make it.
        "/usr/lib/ssl/cert.pem": Link("/etc/ssl/certs/ca-certificates.crt"),
        "/etc/passwd": f"root:x:0:0:root:/root:/sbin/nologin\ndaulat:x:{user}:{group}:daulat:/:/sbin/nologin\n".encode(),
        "/etc/group": f"root:x:0:\ndaulat:x:{group}:\n".encode(),
        "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
    }
    for one in unpacked:
        if twice := set(files) & set(one.files):
            raise ClusterError(f"two packages of the image have {min(twice)}: {one.package.name} is one of them.")
        files |= one.files
        # Where scanners look in images that have no dpkg.
        files[f"/var/lib/dpkg/status.d/{one.package.name}"] = one.control.encode()
    return files


def from_uri(uri: str, file: str, sha256: str) -> Package:
    """Return what apt would fetch from here, into a file of this name: only that has the version's epoch."""
    name, version, architecture = unquote(file.removesuffix(".deb")).split("_")
    return Package(name, version, architecture, sha256, uri.split("/", 3)[3])
