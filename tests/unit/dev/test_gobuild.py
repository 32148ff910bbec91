"""Go programs are built once, by a Go that their module accepts, and a failed build leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.cluster import ClusterError, gobuild, toolchain
from dev.cluster.locking import Say
from dev.cluster.toolchain import Go, Version

# Stands for Go: writes down how it was called, and makes the program, or fails where the module says so.
FAKE = """#!/bin/sh
echo "$GOTOOLCHAIN $*" >> calls
grep -q broken go.mod && { echo "no such package" >&2; exit 1; }
for last; do :; done
echo built > "$last/program"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module, for which there is Go 1.26."""
    command = tmp_path / "go"
    command.write_text(FAKE)
    command.chmod(0o755)

    def find(say: Say, required: Version | None = None) -> Go:
        return Go(command, (1, 26, 0), "PATH")

    monkeypatch.setattr(toolchain, "find", find)
    (tmp_path / "module").mkdir()
    return tmp_path / "module"


def built(module: Path, go_mod: str) -> Path:
    (module / "go.mod").write_text(go_mod)

    def arguments(directory: Path) -> list[str]:
        return ["-o", str(directory)]

    return gobuild.ensure(module.parent / "target", "a program", module / "go.mod", arguments, "a moment")


def test_a_program_is_built_once(module: Path) -> None:
    for _ in range(2):
        assert (built(module, "module m\n\ngo 1.26.0\n") / "program").read_text() == "built\n"
    (call,) = (module / "calls").read_text().splitlines()
    assert call.startswith("local build -trimpath ")


def test_a_module_newer_than_our_go_is_built_by_the_go_that_it_names(module: Path) -> None:
    built(module, "module m\n\ngo 1.27.0\n\ntoolchain go1.27.3\n")
    assert (module / "calls").read_text().startswith("go1.27.3 build ")


def test_a_named_toolchain_isnt_fetched_where_ours_is_new_enough(module: Path) -> None:
    built(module, "module m\n\ngo 1.25.0\n\ntoolchain go1.25.9\n")
    assert (module / "calls").read_text().startswith("local build ")


def test_a_failed_build_says_why_and_leaves_nothing(module: Path) -> None:
    with pytest.raises(ClusterError, match="Go could not build a program: no such package"):
        built(module, "module broken\n\ngo 1.26.0\n")
    assert sorted(p.name for p in module.parent.iterdir()) == ["go", "module"]
