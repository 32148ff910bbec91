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


def unpacked(packages: Sequence[str], why: str, say: Say) -> Path:
    """Return a directory with these packages' files. ClusterError, with what they are for, where there is no Debian."""
    name = hashlib.sha256("\0".join(packages).encode()).hexdigest()[:12]
    target = cache_dir() / "debian" / name
    if target.is_dir():
        return target
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise ClusterError(f"{why}: install it, or use a machine with apt-get.")
    say(f"fetching {', '.join(packages)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=target.parent) as scratch:
        os.chmod(scratch, 0o755)  # noqa: S103 - apt-get fetches as a user of its own
        fetched = subprocess.run(
            ["apt-get", "download", *packages], check=False, cwd=scratch, capture_output=True, text=True
        )
        if fetched.returncode != 0:
            said = (fetched.stderr.strip().splitlines() or [""])[-1]
            raise ClusterError(f"{why}, and apt-get can't download it ({said}): run `apt-get update`, or install it.")
        root = Path(scratch) / "root"
        for package in sorted(Path(scratch).glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
        try:
            root.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process was first
                raise
    return target


def busybox(say: Say) -> Path:
    """Return a static busybox, for images that are to have a shell."""
    (program,) = unpacked(BUSYBOX, "tests in pods need busybox", say).rglob("bin/busybox")
    return program
