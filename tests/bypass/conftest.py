"""The ground that attacks are tried on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpus.server import Server
from tests.e2e.world import World, unique

from .attack import Attacker, Ground

EGRESS = {"allow": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}


@pytest.fixture(scope="package")
def server(world: World) -> Server:
    """The API server, without kubectl in between."""
    return Server(world.cluster.kubeconfig())


@pytest.fixture(scope="package")
def ground(world: World, server: Server) -> Iterator[Ground]:
    """A namespace under a policy that says where volumes lie and what may get out; anybody with the right gets a shell."""
    sections = {"storage": {"storageClasses": ["encrypted-cyberjaya"]}, "egress": EGRESS}
    with world.governed(**sections) as (policy, namespace):
        tenant = unique("tenant")
        world.make_admin(tenant, namespace)
        yield Ground(world, server, policy, namespace, Attacker(server, tenant))


@pytest.fixture(scope="package")
def closed(world: World, server: Server) -> Iterator[Ground]:
    """A namespace where one group alone may reach into pods."""
    with world.governed(access={"groups": ["cleared-operators"]}) as (policy, namespace):
        tenant = unique("tenant")
        world.make_admin(tenant, namespace)
        yield Ground(world, server, policy, namespace, Attacker(server, tenant))
