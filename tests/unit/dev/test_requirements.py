"""What a machine lacks for real nodes is told, and nothing is asked for that isn't needed any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.cluster import build
from dev.cluster.node import engine, requirements
from dev.cluster.node.build import NODE


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that may have real nodes, with nothing built and no program."""
    monkeypatch.setattr("dev.cluster.node.sandbox.unsupported", lambda: "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("bare")
def test_what_is_needed_to_build_them_is_asked_for() -> None:
    told = requirements.missing()
    assert told.startswith("real nodes are built here, and need a C compiler, pkg-config, cmake, ")
    assert told.endswith("which isn't installed")


@pytest.mark.usefixtures("bare")
def test_nothing_is_asked_for_where_all_is_built() -> None:
    build.directory(NODE).mkdir(parents=True)
    assert "cmake" in requirements.missing()
    assert "pkg-config" not in requirements.missing()
    engine.path().touch()
    assert requirements.missing() == ""
