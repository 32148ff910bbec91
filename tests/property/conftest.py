"""The namespaces under the two policies, on the cluster that the end-to-end tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpus.server import Server
from tests.e2e.world import World

from .place import GovernedPlace, governed
from .rules import OPEN, STRICT


@pytest.fixture(scope="session", params=[STRICT, OPEN], ids=lambda rules: rules.name)
def place(request: pytest.FixtureRequest, world: World) -> Iterator[GovernedPlace]:
    """A namespace where one of the policies is in force, as an operator would put it there."""
    with governed(Server(world.cluster.kubeconfig()), request.param) as found:
        yield found
