"""Skips, with the reason, what needs promtool where it can't be had."""

from __future__ import annotations

import pytest

from dev.cluster import ClusterError
from dev.monitoring.prometheus import program


@pytest.fixture(autouse=True, scope="session")
def prometheus_programs() -> None:
    try:
        program("promtool")
    except ClusterError as error:
        pytest.skip(str(error))
