"""What all tests share: how Hypothesis runs, and one cluster for those that need one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from dev.cluster.kubernetes import versions
from tests.docs import given
from tests.e2e.world import World, lower, raise_world, remove_shared_policies, unique

# The same examples each time, and never judged by the clock of a busy machine.
settings.register_profile("daulat", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("daulat")
# A shell starts what runs in its background with SIGINT ignored, and so would the programs be that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_GITOPS = "tests/gitops/"
"""A target of their own (`make test-gitops`): they build and run Argo CD and Flux."""
_NEIGHBOURS = "tests/neighbours/"
"""A target of their own (`make test-neighbours`): they build and run controllers of other projects."""
_END_TO_END = ("tests/e2e/", "tests/bypass/", "tests/upgrade/", _GITOPS, _NEIGHBOURS)
_FAULTS = ("tests/e2e/test_faults.py", "tests/e2e/test_connection.py", "tests/e2e/test_brake.py")
"""A target of their own (`make test-faults`): they wait for time-outs of the API server, minutes of them."""
_COMPILERS = "tests/e2e/test_compilers.py"
"""Of all versions in `make test-versions`, of the oldest and the newest in `make test`."""
_VERSIONS = "tests/e2e/versions/"
"""A target of their own (`make test-versions`): they build and start each Kubernetes that there is."""
_LIVES = ("tests/upgrade/test_life.py", "tests/upgrade/test_break_glass.py", "tests/upgrade/test_backup.py")
"""A target of their own (`make test-upgrade`): minutes of installing, upgrading and restoring."""
_BROWSER = "tests/browser/"
"""Also a target of their own (`make test-console`): they need headless Chromium."""
_REAL_NODES = "tests/node/"
_ON_REAL_NODES = (_REAL_NODES, "tests/e2e/test_demo.py")
"""Not at the same time: kernels give a user few inotify instances, and a kubelet takes many."""
_DOCS = "tests/e2e/test_docs.py"
_WAITS = ("tests/unit/weights/test_stalls.py", "tests/unit/weights/test_lease.py")
"""They wait for time-outs, and compute little."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kubernetes 1.34`: which version the clusters of end-to-end tests are of."""
    parser.addoption(
        "--kubernetes", choices=versions.NAMES, help=f"as ${versions.VARIABLE}: which Kubernetes to test on"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hand the version on to every cluster of this process, and of those that it starts."""
    if wanted := config.getoption("--kubernetes"):
        os.environ[versions.VARIABLE] = wanted


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test by what it needs, which its folder says. What waits most comes first, and what only computes last."""
    for item in items:
        if item.nodeid.startswith(_END_TO_END):
            item.add_marker("e2e")
        if item.nodeid.startswith(_FAULTS):
            item.add_marker("faults")
        if item.nodeid.startswith(_LIVES):
            item.add_marker("lives")
        if item.nodeid.startswith(_COMPILERS):
            item.add_marker("compilers")
        if item.nodeid.startswith(_VERSIONS):
            item.add_marker("versions")
        if item.nodeid.startswith(_GITOPS):
            item.add_marker("gitops")
        if item.nodeid.startswith(_NEIGHBOURS):
            item.add_marker("neighbours")
        if item.nodeid.startswith(_BROWSER):
            item.add_marker("browser")
        if item.nodeid.startswith(_REAL_NODES):
            item.add_marker("node")
    offered = versions.offered()
    beyond = [
        item for item in items if not all(offered.has(f) for mark in item.iter_markers("needs") for f in mark.args)
    ]
    if beyond:
        # No skip: such a version has nothing there that could be tried.
        config.hook.pytest_deselected(items=beyond)
        items[:] = [item for item in items if item not in set(beyond)]
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.nodeid.startswith(_ON_REAL_NODES):
        return 0
    return 1 if item.get_closest_marker("e2e") or item.nodeid.startswith(_WAITS) else 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand tests out to processes by the file, all on real nodes to the same one, and pages of the docs by what they are given."""
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_ON_REAL_NODES):
            return "real nodes"
        file = nodeid.partition("::")[0]
        return f"{file} {given.shared(nodeid.partition('[')[2].rstrip(']'))}" if file == _DOCS else file


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with Daulat on it. Nothing in a test may stop its operator or its API server."""
    raised = raise_world(unique("e2e"), tmp_path_factory.mktemp("operator"), say=lambda line: None)
    yield raised
    if os.environ.get("DAULAT_KEEP_CLUSTER"):
        return
    lower(raised)


@pytest.fixture(scope="module", autouse=True)
def shared_policies() -> Iterator[None]:
    """Policies that the tests of a file share are gone after it."""
    yield
    remove_shared_policies()
