"""One cluster for each engine, to which the engine has brought the chart and the estate from Git."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from daulat.api.kinds import KINDS
from dev.cluster import EmbeddedCluster
from dev.deployment import NAMESPACE, OperatorProcess, kubectl, poll
from dev.gitops.repository import Repository
from tests.e2e.world import SCENARIO, World, unique

from . import estate
from .engines import ENGINES, Engine


@dataclass(frozen=True)
class Landed:
    """A cluster on which an engine has brought everything into force."""

    world: World
    engine: Engine
    repository: Repository
    before_operator: str
    """What the engine said of the policies while no operator ran."""
    model_came_early: bool
    """Whether the model was applied while no policy was in force."""


@pytest.fixture(scope="session", params=sorted(ENGINES))
def landed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landed]:
    """The estate in force, by one engine after the other."""
    directory = tmp_path_factory.mktemp(request.param)
    cluster = EmbeddedCluster(unique(request.param), say=lambda line: None)
    cluster.up(SCENARIO)
    repository: Repository | None = None
    engine: Engine | None = None
    operator = OperatorProcess(cluster, directory / "operator")
    try:
        repository = Repository(directory / "git" / "fleet")
        engine = ENGINES[request.param](cluster, directory / request.param)
        revision = estate.declare(repository, engine.user)
        engine.bring(repository)
        world = World(cluster, operator, kubectl(cluster))
        before, early = _without_operator(world, engine)
        operator.start()
        poll("the exemption to be requested", lambda: world.exists("sexempt", estate.EXEMPTION), 180)
        world.approve(estate.EXEMPTION)
        engine.settled(revision)
        yield Landed(world, engine, repository, before, early)
    finally:
        if not os.environ.get("DAULAT_KEEP_CLUSTER"):
            if engine is not None:
                engine.stop()
            operator.stop()
            if repository is not None:
                repository.close()
            cluster.down()


def _without_operator(world: World, engine: Engine) -> tuple[str, bool]:
    """Wait until the engine has applied the policy and has looked at it again, and return what it says and whether it went on."""
    admin = world.admin
    poll("the chart's account", lambda: world.exists("serviceaccount", "daulat", NAMESPACE))
    served = partial(admin.run, "api-resources", "--api-group=daulat.dev", "--no-headers")
    poll("the kinds", lambda: len(served().splitlines()) == len(KINDS))
    poll("the policy", lambda: world.exists("sovereigntypolicy", estate.POLICY))
    poll("the engine to wait for the policy", lambda: bool(engine.message(engine.sovereignty)))
    said = engine.message(engine.sovereignty)
    assert not engine.healthy(engine.sovereignty)
    return said, world.exists("namespace", estate.TREASURY) and world.exists("smodel", estate.MODEL, estate.TREASURY)
