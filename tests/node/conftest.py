"""One cluster with real nodes for all tests here. Where the machine can't have them, a sentence says why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.cluster.node import requirements
from tests.e2e.world import lower, unique

from .world import RealWorld, raise_real_world


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWorld]:
    """A cluster with two real nodes and Daulat on it. What a test breaks, it mends."""
    if why := requirements.missing():
        pytest.skip(why)
    raised = raise_real_world(unique("node"), tmp_path_factory.mktemp("operator"), tmp_path_factory.mktemp("images"))
    yield raised
    lower(raised)
