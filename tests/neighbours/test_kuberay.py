"""KubeRay in a governed namespace: its operator makes the pods of RayClusters itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.deployment import poll
from dev.neighbours import build
from dev.neighbours.kuberay import KubeRay
from tests.e2e.test_check import checked, reader
from tests.e2e.world import IMAGE, Manifest, World

from .conftest import KUBERAY, Requests, backs_off, events, pinned, with_image

RAYCLUSTER = "raycluster-kuberay"
"""The name of the project's sample."""


@pytest.fixture(scope="module")
def ray(neighbourhood: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The cluster, with KubeRay."""
    kuberay = KubeRay(neighbourhood.cluster, tmp_path_factory.mktemp("kuberay"))
    kuberay.start()
    yield neighbourhood
    kuberay.stop()


@pytest.fixture
def governed(ray: World) -> Iterator[tuple[str, str]]:
    """A policy, and a namespace that it governs."""
    policy, namespace = ray.govern()
    yield policy, namespace
    ray.admin.run("delete", "rayservices,rayjobs,rayclusters", "--all", "-n", namespace)
    ray.remove(namespace, policy)


def sample(name: str, namespace: str, image: str = "") -> list[Manifest]:
    """Return a sample of the project, with an image in all its containers where one is given."""
    found = build.sample(build.KUBERAY, f"ray-{name}.yaml")
    return [with_image({**o, "metadata": {**o["metadata"], "namespace": namespace}}, image) for o in found]


def test_the_pods_of_a_raycluster_run_pinned(ray: World, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    ray.admin.apply(sample("cluster.sample", namespace, IMAGE))
    ray.wait_condition("raycluster", RAYCLUSTER, "RayClusterProvisioned", "True", namespace)
    pods = ray.pods(namespace)
    assert sorted(pod["metadata"]["labels"]["ray.io/node-type"] for pod in pods) == ["head", "worker"]
    assert [pod["metadata"]["name"] for pod in pods if not pinned(ray, pod, policy)] == []


def test_a_raycluster_that_does_not_comply_is_explained_and_backs_off(
    ray: World, governed: tuple[str, str], requests: Requests
) -> None:
    policy, namespace = governed
    ray.admin.apply(sample("cluster.sample", namespace))
    poll("KubeRay to wait longer each time", lambda: backs_off(requests.refusals(KUBERAY, namespace)))
    condition = ray.condition("raycluster", RAYCLUSTER, "ReplicaFailure", namespace)
    assert condition.get("reason") == "FailedCreateHeadPod"
    said = events(ray, namespace, "RayCluster", "FailedToCreateHeadPod")
    for message in (condition["message"], *said):
        assert f"policy {policy} allows images from registry.example.my/" in message, message
        assert "SUP-01" in message
        assert "Append @sha256:" in message
    assert said
    assert ray.pods(namespace) == []


def test_a_raycluster_that_is_corrected_in_place_runs(
    ray: World, governed: tuple[str, str], requests: Requests
) -> None:
    policy, namespace = governed
    ray.admin.apply(sample("cluster.sample", namespace))
    poll("a refusal", lambda: bool(requests.refusals(KUBERAY, namespace)))
    ray.admin.apply(sample("cluster.sample", namespace, IMAGE))
    ray.wait_condition("raycluster", RAYCLUSTER, "RayClusterProvisioned", "True", namespace)
    assert all(pinned(ray, pod, policy) for pod in ray.pods(namespace))
    assert ray.condition("raycluster", RAYCLUSTER, "ReplicaFailure", namespace) == {}


def test_the_autoscaler_runs_pinned_beside_the_head(ray: World, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    ray.admin.apply(sample("cluster.autoscaler", namespace, IMAGE))
    ray.wait_condition("raycluster", "raycluster-autoscaler", "RayClusterProvisioned", "True", namespace)
    (head,) = ray.pods(namespace)
    assert [container["name"] for container in head["spec"]["containers"]] == ["ray-head", "autoscaler"]
    assert pinned(ray, head, policy)


def test_the_clusters_of_a_rayjob_and_a_rayservice_and_the_submitter_run_pinned(
    ray: World, governed: tuple[str, str]
) -> None:
    """Nothing answers in a head here, so the job isn't followed to its end and the service doesn't become ready."""
    policy, namespace = governed
    ray.admin.apply([*sample("job.sample", namespace, IMAGE), *sample("service.sample", namespace, IMAGE)])

    def containers() -> list[str]:
        return sorted(c["name"] for pod in ray.pods(namespace) for c in pod["spec"]["containers"])

    wanted = ["ray-head", "ray-head", "ray-job-submitter", "ray-worker", "ray-worker"]
    poll("the pods", lambda: containers() == wanted)
    poll("them to be placed", lambda: all(pinned(ray, pod, policy) for pod in ray.pods(namespace)))


def test_a_dashboard_that_is_exposed_by_an_ingress_is_refused_as_check_reports(
    ray: World, governed: tuple[str, str]
) -> None:
    policy, namespace = governed
    (found,) = sample("cluster.sample", namespace, IMAGE)
    found["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "public"}
    found["spec"]["headGroupSpec"]["enableIngress"] = True
    (judged,) = checked(reader(ray)[0], found, code=1)["objects"]
    messages = [f["message"] for f in judged["findings"] if f["policy"] == policy]
    assert len(messages) == 1
    assert messages[0].startswith(f'USE-09 spec.ingressClassName: "public" was set; policy {policy} allows no Ingress.')
    ray.admin.apply([found])
    poll("the reason", lambda: bool(events(ray, namespace, "RayCluster", "FailedToCreateIngress")))
    assert all(messages[0] in said for said in events(ray, namespace, "RayCluster", "FailedToCreateIngress"))


def test_a_head_that_is_exposed_is_refused_with_the_reason(ray: World, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    (found,) = sample("cluster.sample", namespace, IMAGE)
    found["spec"]["headGroupSpec"]["serviceType"] = "LoadBalancer"
    ray.admin.apply([found])
    poll("the reason", lambda: bool(events(ray, namespace, "RayCluster", "FailedToCreateService")))
    said = events(ray, namespace, "RayCluster", "FailedToCreateService")
    assert all(
        f"USE-09 spec.loadBalancerClass: a load balancer without a class was requested; policy {policy}" in m
        for m in said
    )
    assert ray.pods(namespace) == []
