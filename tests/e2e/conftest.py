"""The cluster that tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.cluster import EmbeddedCluster
from dev.deployment import poll

from .between import Between
from .faulty import Faulty
from .world import lower, raise_world, unique


@pytest.fixture(scope="session")
def shared_faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """A cluster whose operator reaches the API server through what injects faults."""
    proxies: list[Between] = []

    def between(cluster: EmbeddedCluster) -> str:
        proxies.append(Between(cluster.kubeconfig()))
        proxies[0].start()
        return proxies[0].url

    raised = raise_world(unique("faulty"), tmp_path_factory.mktemp("faulty"), say=lambda line: None, between=between)
    yield Faulty(raised, proxies[0])
    lower(raised)
    proxies[0].stop()


@pytest.fixture
def faulty(shared_faulty: Faulty) -> Faulty:
    """That cluster with its operator leading, whatever an earlier test did."""
    world = shared_faulty.world
    if not world.operator.pid:
        world.operator.start()
    poll("the operator to lead", lambda: world.metric(world.operator, "daulat_leader") == 1)
    return shared_faulty
