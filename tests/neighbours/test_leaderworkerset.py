"""LeaderWorkerSet in a governed namespace."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dev.deployment import poll
from tests.e2e.world import IMAGE, Manifest, World

from .conftest import LWS, STATEFULSETS, Requests, backs_off, events, pinned

SAMPLE_IMAGE = "nginxinc/nginx-unprivileged:1.27"
"""That of the project's sample: from another registry, and without a digest."""


@pytest.fixture
def governed(neighbourhood: World) -> Iterator[tuple[str, str]]:
    """A policy, and a namespace that it governs."""
    policy, namespace = neighbourhood.govern()
    yield policy, namespace
    neighbourhood.admin.run("delete", "leaderworkersets", "--all", "-n", namespace, "--wait=false")
    neighbourhood.remove(namespace, policy)


def sample(namespace: str, image: str, replicas: int = 2, size: int = 2) -> Manifest:
    """Return the project's sample, docs/examples/sample/lws.yaml."""
    resources = {"limits": {"cpu": "100m"}, "requests": {"cpu": "50m"}}
    container = {"name": "nginx", "image": image, "resources": resources, "ports": [{"containerPort": 8080}]}
    template = {"spec": {"containers": [container]}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "sample", "namespace": namespace},
        "spec": {"replicas": replicas, "leaderWorkerTemplate": {"size": size, "workerTemplate": template}},
    }


def test_leaders_and_workers_run_pinned(neighbourhood: World, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    neighbourhood.admin.apply([sample(namespace, IMAGE)])
    neighbourhood.wait_condition("leaderworkerset", "sample", "Available", "True", namespace)
    pods = {pod["metadata"]["name"]: pod for pod in neighbourhood.pods(namespace)}
    assert set(pods) == {"sample-0", "sample-0-1", "sample-1", "sample-1-1"}
    assert [name for name, pod in pods.items() if not pinned(neighbourhood, pod, policy)] == []


def test_what_does_not_comply_is_explained_and_not_asked_for_in_a_loop(
    neighbourhood: World, governed: tuple[str, str], requests: Requests
) -> None:
    policy, namespace = governed
    neighbourhood.admin.apply([sample(namespace, SAMPLE_IMAGE)])
    poll("the StatefulSet to wait longer each time", lambda: backs_off(requests.refusals(STATEFULSETS, namespace)))
    said = events(neighbourhood, namespace, "StatefulSet", "FailedCreate")
    assert any(f"policy {policy} allows images from registry.example.my/" in message for message in said), said
    assert any("SUP-01" in message and "Append @sha256:" in message for message in said), said
    assert neighbourhood.pods(namespace) == []
    # One write for each object that it makes, its status and its Events: nothing is repeated for a refusal.
    writes = requests.of(LWS, namespace, "create", "update", "patch", "delete")
    assert len(writes) <= 15, [(e["verb"], e["requestURI"]) for e in writes]


def test_a_set_that_is_replaced_by_a_corrected_one_runs(
    neighbourhood: World, governed: tuple[str, str], requests: Requests
) -> None:
    """Changed in place it isn't rolled out within 90 s, so docs/neighbours/leaderworkerset.md has it replaced."""
    policy, namespace = governed
    neighbourhood.admin.apply([sample(namespace, SAMPLE_IMAGE)])
    poll("a refusal", lambda: bool(requests.refusals(STATEFULSETS, namespace)))
    neighbourhood.admin.run("delete", "leaderworkerset", "sample", "-n", namespace)
    neighbourhood.admin.apply([sample(namespace, IMAGE)])
    neighbourhood.wait_condition("leaderworkerset", "sample", "Available", "True", namespace)
    assert all(pinned(neighbourhood, pod, policy) for pod in neighbourhood.pods(namespace))


def test_a_group_whose_namespace_becomes_governed_is_made_anew_only_if_it_complies(
    neighbourhood: World, governed: tuple[str, str], requests: Requests
) -> None:
    """With RecreateGroupOnPodRestart the controller deletes the whole group when one pod ends."""
    policy, namespace = governed
    label = f"--overwrite=true daulat.dev/scope={policy}".split()
    neighbourhood.admin.run("label", "namespace", namespace, "daulat.dev/scope-")
    neighbourhood.admin.apply([sample(namespace, SAMPLE_IMAGE, replicas=1)])
    neighbourhood.wait_condition("leaderworkerset", "sample", "Available", "True", namespace)
    neighbourhood.admin.run("label", "namespace", namespace, *label)
    # The admission policy reads the namespace's labels from a cache.
    probe = json.dumps({**sample_pod(SAMPLE_IMAGE), "metadata": {"name": "probe", "namespace": namespace}})
    poll("the namespace to be governed", lambda: bool(neighbourhood.refusal(json.loads(probe), "--dry-run=server")))
    neighbourhood.admin.run("delete", "pod", "sample-0-1", "-n", namespace, "--wait=false")
    poll("the group to be refused", lambda: bool(requests.refusals(STATEFULSETS, namespace)))
    poll("the reason", lambda: bool(events(neighbourhood, namespace, "StatefulSet", "FailedCreate")))
    poll("the StatefulSet to wait longer each time", lambda: backs_off(requests.refusals(STATEFULSETS, namespace)))


def sample_pod(image: str) -> Manifest:
    """Return a pod with the sample's image."""
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "nginx", "image": image}]}}
