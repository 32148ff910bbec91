"""One control plane after the other, of each version that was chosen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.racks import Racks, raise_racks

from .server import Server, serving, wanted

CLUSTERS = ("server", "opted", "racks")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on every version that is wanted, which is known only once pytest has read its options."""
    for name in CLUSTERS:
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, wanted(), indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """An API server as its version is by default."""
    with serving(request.param) as raised:
        yield raised


@pytest.fixture(scope="module")
def opted(request: pytest.FixtureRequest) -> Iterator[Server]:
    """An API server with PodNodeSelector and all that can be switched on."""
    with serving(request.param, everything=True) as raised:
        yield raised


@pytest.fixture(scope="module")
def racks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Racks]:
    """A whole control plane with four nodes."""
    raised = raise_racks(tmp_path_factory.mktemp("racks"), kubernetes=request.param)
    yield raised
    raised.cluster.down()
