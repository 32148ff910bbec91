"""Fetches Debian packages of this machine's release and unpacks them into the cache. Nothing is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say
from dev.cluster.paths import cache_dir

SECCOMP = ("libseccomp-dev", "libseccomp2")
NFT = (
    "nftables",
    "libnftables1",
    "libnftnl11",
    "libmnl0",
    "libjansson4",
    "libedit2",
    "libbsd0",
    "libmd0",
    "libxtables12",
    "libtinfo6",
)
IPTABLES = (
    "iptables",
    "libip4tc2",
    "libip6tc2",
    "libxtables12",
    "libmnl0",
    "libnftnl11",
    "libnfnetlink0",
    "libnetfilter-conntrack3",
)
BUSYBOX = ("busybox-static",)


def unpacked(packages: Sequence[str], why: str, say: Say, *, dependencies: bool = False) -> Path:
    """Return a directory with these packages' files. ClusterError, with what they are for, where there is no Debian.

    With ``dependencies``, all packages that they depend on are there as well, whatever this machine has installed, so that the
    directory serves any machine of this release. Only the C library isn't: the kernel starts programs by the machine's own
    loader, which takes no other version of it.
    """
    key = [*packages, *(["with dependencies"] if dependencies else [])]
    name = hashlib.sha256("\0".join(key).encode()).hexdigest()[:12]
    target = cache_dir() / "debian" / name
    if target.is_dir():
        return target
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise ClusterError(f"{why}: install it, or use a machine with apt-get.")
    say(f"fetching {', '.join(packages)}{' with dependencies' if dependencies else ''}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=target.parent) as scratch:
        os.chmod(scratch, 0o755)  # noqa: S103 - apt-get fetches as a user of its own
        command = _closure(Path(scratch), packages) if dependencies else ["apt-get", "download", *packages]
        fetched = subprocess.run(command, check=False, cwd=scratch, capture_output=True, text=True)
        if fetched.returncode != 0:
            said = (fetched.stderr.strip().splitlines() or [""])[-1]
            raise ClusterError(f"{why}, and apt-get can't download it ({said}): run `apt-get update`, or install it.")
        root = Path(scratch) / "root"
        for package in sorted(Path(scratch).glob("*.deb")):
            if not (dependencies and package.name.startswith("libc6_")):
                subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
        try:
            root.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process was first
                raise
    return target


def libraries(root: Path) -> str:
    """Return LD_LIBRARY_PATH for programs of a directory that was unpacked with dependencies."""
    found = [path for top in (root / "usr" / "lib", root / "lib") for path in sorted(top.glob("*-linux-gnu*"))]
    # The libraries of PulseAudio look for one of their own here, by a path that is fixed when they are built.
    return ":".join(map(str, [*found, *(path / "pulseaudio" for path in found if (path / "pulseaudio").is_dir())]))


def _closure(scratch: Path, packages: Sequence[str]) -> list[str]:
    """Return the command that downloads packages to a directory, with all that they depend on."""
    (scratch / "status").touch()
    (scratch / "partial").mkdir()
    options = {
        # As if nothing were installed here.
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch,
        "Dir::Cache::archives": scratch,
        "Debug::NoLocking": "1",
    }
    given = (f"--option={key}={value}" for key, value in options.items())
    return ["apt-get", "--yes", "--no-install-recommends", "--download-only", *given, "install", *packages]


def busybox(say: Say) -> Path:
    """Return a static busybox, for images that are to have a shell."""
    (program,) = unpacked(BUSYBOX, "tests in pods need busybox", say).rglob("bin/busybox")
    return program
