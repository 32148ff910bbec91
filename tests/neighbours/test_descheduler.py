"""The descheduler beside Daulat: what it evicts comes back where the policy allows, or not at all and with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.deployment import poll
from dev.neighbours.descheduler import Descheduler
from tests.e2e.world import (
    IMAGE,
    Manifest,
    World,
    namespace_manifest,
    node_manifest,
    pod_manifest,
    unique,
    zone_manifest,
)

from .conftest import REPLICASETS, Requests, backs_off, events, pinned

Start = Callable[..., Descheduler]


@pytest.fixture
def start(neighbourhood: World, tmp_path: Path) -> Iterator[Start]:
    """Start the descheduler on namespaces: it evicts their pods that are older than a second, if they fit on another node."""
    started: list[Descheduler] = []

    def run(*namespaces: str) -> Descheduler:
        lifetime = {"maxPodLifeTimeSeconds": 1, "namespaces": {"include": list(namespaces)}}
        configuration = {"DefaultEvictor": {"nodeFit": True}, "PodLifeTime": lifetime}
        started.append(Descheduler(neighbourhood.cluster, tmp_path, {"deschedule": ["PodLifeTime"]}, configuration))
        started[-1].start()
        return started[-1]

    yield run
    for one in started:
        one.stop()


def deployment(namespace: str, image: str = IMAGE, replicas: int = 2) -> Manifest:
    """Return a Deployment of pods that end at once when they are asked to."""
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": image}], "terminationGracePeriodSeconds": 0}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    }


def uids(world: World, namespace: str) -> set[str]:
    """Return the identities of the pods that run in a namespace."""
    return {p["metadata"]["uid"] for p in world.pods(namespace) if p["status"].get("phase") == "Running"}


def test_evicted_pods_come_back_on_eligible_nodes(neighbourhood: World, start: Start) -> None:
    with neighbourhood.governed() as (policy, namespace):
        neighbourhood.admin.apply([deployment(namespace)])
        poll("both pods", lambda: len(uids(neighbourhood, namespace)) == 2)
        before = uids(neighbourhood, namespace)
        descheduler = start(namespace)
        poll("both to be evicted", lambda: not before & uids(neighbourhood, namespace))
        descheduler.stop()
        poll("others in their place", lambda: len(uids(neighbourhood, namespace)) == 2)
        assert all(pinned(neighbourhood, pod, policy) for pod in neighbourhood.pods(namespace))
        assert events(neighbourhood, namespace, "Pod", "PodLifeTime")


def test_a_pod_whose_only_eligible_node_is_its_own_stays(neighbourhood: World, start: Start) -> None:
    """Its nodeFit reads the node selector that the policy gave the pod; one without a policy is evicted beside it."""
    site, node, free = unique("site"), unique("n"), unique("free")
    admin = neighbourhood.admin
    made = node_manifest(node, site)
    admin.apply([made, zone_manifest(site), namespace_manifest(free)])
    admin.apply([made], "--subresource=status")
    zones = {"names": [site], "minimumDataClass": "confidential"}
    try:
        with neighbourhood.governed(zones=zones) as (_, namespace):
            poll("an account", lambda: neighbourhood.exists("serviceaccount", "default", free))
            admin.apply([deployment(namespace, replicas=1), deployment(free, replicas=1)])
            poll("both", lambda: bool(uids(neighbourhood, namespace) and uids(neighbourhood, free)))
            stays, goes = uids(neighbourhood, namespace), uids(neighbourhood, free)
            descheduler = start(namespace, free)
            poll("the other to be evicted", lambda: not goes & uids(neighbourhood, free))
            # Each round looks at all nodes: the one that evicted the other, and two more.
            rounds = descheduler.log.read_text().count(descheduler.ROUND)
            poll("two more rounds", lambda: descheduler.log.read_text().count(descheduler.ROUND) >= rounds + 2)
            descheduler.stop()
            assert uids(neighbourhood, namespace) == stays
            neighbourhood.empty(free)
    finally:
        admin.run("delete", "node", node, "--ignore-not-found", "--wait=false")
        admin.run("delete", "sovereignzone", site, "--ignore-not-found")


def test_a_pod_older_than_the_policy_is_evicted_once_and_its_successor_is_refused_with_the_reason(
    neighbourhood: World, start: Start, requests: Requests
) -> None:
    with neighbourhood.governed() as (policy, namespace):
        admin = neighbourhood.admin
        admin.run("label", "namespace", namespace, "daulat.dev/scope-")
        admin.apply([deployment(namespace, "nginx:1.27", replicas=1)])
        poll("the pod", lambda: bool(uids(neighbourhood, namespace)))
        admin.run("label", "namespace", namespace, f"daulat.dev/scope={policy}")
        probe = pod_manifest("probe", namespace, containers=[{"name": "main", "image": "nginx:1.27"}])
        # The admission policy reads the namespace's labels from a cache.
        poll("the namespace to be governed", lambda: bool(neighbourhood.refusal(probe, "--dry-run=server")))
        start(namespace)
        poll("it to be evicted", lambda: not uids(neighbourhood, namespace))
        poll("the reason", lambda: bool(events(neighbourhood, namespace, "ReplicaSet", "FailedCreate")))
        said = events(neighbourhood, namespace, "ReplicaSet", "FailedCreate")
        assert any(f"policy {policy} allows images from registry.example.my/" in message for message in said), said
        poll("the ReplicaSet to back off", lambda: backs_off(requests.refusals(REPLICASETS, namespace)))
        assert len(events(neighbourhood, namespace, "Pod", "PodLifeTime")) == 1
