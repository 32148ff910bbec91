"""One cluster with the chart for all tests of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from dev.cluster import build
from dev.cluster.connect import connect

from .world import (
    DATA_CLASS,
    NAMESPACE,
    NODE,
    SITE,
    TENANT,
    Helm,
    World,
    people,
)


@pytest.fixture(scope="package")
def chart_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    cluster = connect("embedded", f"chart-{uuid.uuid4().hex[:8]}")
    try:
        cluster.up()
        binaries = build.ensure(lambda _message: None)
        helm = Helm(binaries["helm"], cluster.kubeconfig(), tmp_path_factory.mktemp("helm"))
        yield World(cluster, binaries, helm)
    finally:
        cluster.down()


@pytest.fixture(scope="package")
def world(chart_cluster: World) -> World:
    """A release that is installed and in force, a node and a namespace of record, and people with different rights."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    chart_cluster.kubectl().apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": restricted}},
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": TENANT, "labels": {DATA_CLASS: "confidential"}},
            },
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {SITE: "cyberjaya-1"}}},
            *people(),
        ]
    )
    chart_cluster.install()
    return chart_cluster


@pytest.fixture(scope="package")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster, for what the chart renders."""
    home = tmp_path_factory.mktemp("helm")
    return Helm(build.ensure(lambda _message: None)["helm"], home / "no-kubeconfig", home)
