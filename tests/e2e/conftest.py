"""One cluster for the whole run; tests that break a cluster bring up one of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World, lower, raise_world, unique


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here as end-to-end."""
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with Daulat on it. Nothing in a test may stop its operator or its API server."""
    raised = raise_world(unique("e2e"), tmp_path_factory.mktemp("operator"), say=lambda line: None)
    yield raised
    if os.environ.get("DAULAT_KEEP_CLUSTER"):
        return
    lower(raised)


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    """A cluster of the test's own, to break."""
    raised = raise_world(unique("own"), tmp_path / "operator", say=lambda line: None)
    yield raised
    lower(raised)
