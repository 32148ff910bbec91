"""Pins the Debian packages of the image anew. apt decides which versions these are, and checks Debian's signature."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say
from dev.cluster.machine import ARCHITECTURES

from . import facts
from .debian import LOCK, MIRROR, Package, from_uri

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
HEAD = "# The Debian packages of the image. `make image-refresh` writes this file.\n"
_URI = re.compile(r"^'(?P<uri>\S+)' (?P<file>\S+) \d+ SHA256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)
_SOURCES = """Types: deb
URIs: {mirror}/debian
Suites: {suite} {suite}-updates
Components: main
Signed-By: {keyring}

Types: deb
URIs: {mirror}/debian-security
Suites: {suite}-security
Components: main
Signed-By: {keyring}
"""


def refresh(say: Say, lock: Path = LOCK, architectures: Sequence[str] = ARCHITECTURES) -> None:
    """Write a lock. ClusterError where apt or Debian's keys aren't there, or a package has gone."""
    if shutil.which("apt-get") is None:
        raise ClusterError(
            "the lock of Debian packages needs apt-get, which resolves and checks them: use Debian or Ubuntu."
        )
    if not KEYRING.exists():
        raise ClusterError(f"{KEYRING} isn't there, by which apt knows Debian: install debian-archive-keyring.")
    found: set[Package] = set()
    for architecture in architectures:
        say(f"asking Debian {facts.SUITE} for {architecture}")
        found |= set(_of(architecture))
    lock.write_text(HEAD + "".join(f"{package}\n" for package in sorted(found, key=str)))
    say(f"{len(found)} packages are pinned in {lock}")


def _of(architecture: str) -> list[Package]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)  # apt fetches as a user of its own
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (root / folder).mkdir(parents=True)
        (root / "status").touch()
        (root / "debian.sources").write_text(_SOURCES.format(mirror=MIRROR, suite=facts.SUITE, keyring=KEYRING))
        options = {
            "Dir::State": root / "state",
            "Dir::State::status": root / "status",
            "Dir::Cache": root / "cache",
            "Dir::Etc::sourcelist": root / "debian.sources",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "-",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "Acquire::Languages": "none",
        }
        apt = ["apt-get", "--quiet", *(f"--option={key}={value}" for key, value in options.items())]
        _run([*apt, "--error-on=any", "update"])
        listed = _run([*apt, "download", "--print-uris", *facts.DEBIAN])
    return [from_uri(match["uri"], match["file"], match["sha256"]) for match in _URI.finditer(listed)]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        raise ClusterError(f"apt-get can't pin the image's packages: {said[:300]}")
    return done.stdout
