"""Which Go is taken, and what is said when none will do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dev.cluster import build, toolchain
from dev.cluster.errors import ClusterError
from dev.cluster.paths import MODULE_DIR

REQUIRED = (1, 26, 0)


def fake_go(directory: Path, version: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    command = directory / "go"
    command.write_text(f"#!/bin/sh\necho go version go{version} linux/amd64\n")
    command.chmod(0o755)
    return command


@pytest.fixture(autouse=True)
def _an_empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GO", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.6 linux/amd64", (1, 26, 6)),
        ("go version go1.27rc1 darwin/arm64", (1, 27, 0)),
        ("go 1.26.0", (1, 26, 0)),
        ("go 1.26", (1, 26, 0)),
        ("gcc version 12.1.0", None),
        ("", None),
    ],
)
def test_a_version_is_read_from_what_go_prints(text: str, version: toolchain.Version | None) -> None:
    assert toolchain.parse_version(text) == version


def test_the_required_version_is_the_go_line() -> None:
    assert toolchain.required_version("module m\n\ngo 1.26.0\n\ntool x\n") == REQUIRED


def test_a_new_enough_go_on_path_is_taken(tmp_path: Path) -> None:
    command = fake_go(tmp_path / "path", "1.26.0")
    assert toolchain.find(print, REQUIRED) == toolchain.Go(command, (1, 26, 0), "PATH")


def test_the_go_that_was_asked_for_comes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path / "path", "1.28.0")
    command = fake_go(tmp_path / "asked", "1.27.1")
    monkeypatch.setenv("GO", str(command))
    assert toolchain.find(print, REQUIRED) == toolchain.Go(command, (1, 27, 1), "GO")


def test_an_old_go_that_was_asked_for_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path / "path", "1.28.0")
    monkeypatch.setenv("GO", str(fake_go(tmp_path / "asked", "1.21.0")))
    with pytest.raises(ClusterError, match=r"is Go 1\.21\.0, and 1\.26\.0 or newer is needed"):
        toolchain.find(print, REQUIRED)


def test_something_else_that_was_asked_for_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO", "/nonexistent/go")
    with pytest.raises(ClusterError, match="is not a Go command that runs"):
        toolchain.find(print, REQUIRED)


def test_an_old_go_on_path_gives_way_to_the_wheel(tmp_path: Path) -> None:
    fake_go(tmp_path / "path", "1.22.0")
    command = fake_go(tmp_path / "cache" / "daulat" / f"go-{toolchain.pinned_wheel()}" / "go" / "bin", "1.26.6")
    assert toolchain.find(print, REQUIRED) == toolchain.Go(command, (1, 26, 6), "wheel")


def test_without_go_and_wheel_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(ClusterError, match=r"no Go was found on PATH.*install Go 1\.26\.0 or newer, or set GO"):
        toolchain.find(print, REQUIRED)


def test_the_wheel_is_pinned_for_each_platform() -> None:
    text = toolchain.REQUIREMENTS.read_text()
    assert text.count("--hash=sha256:") == 4
    assert toolchain.required_version((MODULE_DIR / "go.mod").read_text()) <= (1, 26, 6)


def test_go_may_not_fetch_another_go_nor_change_go_mod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    monkeypatch.setenv("GOOS", "plan9")
    environment = toolchain.Go(Path("go"), REQUIRED, "PATH").environment()
    assert environment["GOTOOLCHAIN"] == "local"
    assert environment["GOFLAGS"] == "-mod=readonly"
    assert "GOOS" not in environment


MOD = "go 1.26.0\nrequire (\n\tk8s.io/kubernetes v1.37.2 // indirect\n)\n"


def test_the_binaries_know_the_version_of_kubernetes() -> None:
    stamps = build.flags(MOD)[-1]
    assert "version.gitVersion=v1.37.2" in stamps
    assert "version.gitMajor=1 " in stamps
    assert stamps.endswith("version.gitMinor=37")


def test_other_modules_or_machines_mean_other_binaries() -> None:
    key = build.key(MOD, "sum", "linux", "x86_64")
    others = [
        build.key(MOD + "\n", "sum", "linux", "x86_64"),
        build.key(MOD, "sun", "linux", "x86_64"),
        build.key(MOD, "sum", "darwin", "x86_64"),
        build.key(MOD, "sum", "linux", "aarch64"),
    ]
    assert key == build.key(MOD, "sum", "linux", "x86_64")
    assert len({key, *others}) == 5


def test_too_small_a_disk_is_said_before_anything_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "path" / "go"
    fake_go(go.parent, "1.26.6")
    go.write_text(f"#!/bin/sh\n[ $1 = env ] && echo {tmp_path}/c && echo {tmp_path}/m || echo go version go1.26.6\n")
    usage = shutil.disk_usage(tmp_path)._replace(free=3 * build.GIB)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    with pytest.raises(ClusterError, match=r"needs about 8 GiB and .* has 3\.0 GiB free"):
        build.ensure(print)
