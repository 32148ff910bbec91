"""Kueue in a governed namespace: queue, quota and preemption beside a policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.cluster import audit
from dev.deployment import poll
from dev.neighbours.kueue import Kueue
from tests.e2e.world import IMAGE, Manifest, World, lower, model_manifest, raise_world, unique

from .conftest import JOBS, KUEUE, Requests, backs_off, events, pinned

API = "kueue.x-k8s.io/v1beta2"
RESOURCES = ("cpu", "memory", "huawei.com/Ascend910", "nvidia.com/gpu")


@pytest.fixture(scope="module")
def queued(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with Daulat and Kueue of their own: without Kueue, its webhooks would refuse pods of every namespace."""
    directory = tmp_path_factory.mktemp("queued")
    logged = audit.requests_of([JOBS, KUEUE])
    raised = raise_world(unique("queued"), directory / "operator", say=lambda line: None, audit_policy=logged)
    kueue = Kueue(raised.cluster, directory / "kueue")
    try:
        kueue.start()
        yield raised
    finally:
        kueue.stop()
        lower(raised)


@pytest.fixture
def team(queued: World) -> Iterator[tuple[str, str]]:
    """A policy and a namespace that it governs, with a queue of two CPUs and one accelerator."""
    policy, namespace = queued.govern()
    head = {"name": namespace}
    amounts = dict(zip(RESOURCES, ("2", "64Gi", "1", "1"), strict=True))
    quotas = [{"name": name, "nominalQuota": amount} for name, amount in amounts.items()]
    covered = {"coveredResources": list(RESOURCES), "flavors": [{"name": namespace, "resources": quotas}]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    preemption = {"withinClusterQueue": "LowerPriority"}
    classes = [
        {
            "apiVersion": API,
            "kind": "WorkloadPriorityClass",
            "metadata": {"name": f"{namespace}-{name}"},
            "value": value,
        }
        for name, value in (("low", 1), ("high", 100))
    ]
    queued.admin.apply(
        [
            {"apiVersion": API, "kind": "ResourceFlavor", "metadata": head},
            {
                "apiVersion": API,
                "kind": "ClusterQueue",
                "metadata": head,
                "spec": {"namespaceSelector": selector, "resourceGroups": [covered], "preemption": preemption},
            },
            {
                "apiVersion": API,
                "kind": "LocalQueue",
                "metadata": {"name": "team", "namespace": namespace},
                "spec": {"clusterQueue": namespace},
            },
            *classes,
        ]
    )
    queued.wait_condition("clusterqueue", namespace, "Active", "True")
    yield policy, namespace
    queued.remove(namespace, policy)


def job(name: str, namespace: str, image: str = IMAGE) -> Manifest:
    """Return the project's sample Job with a queue: it takes all of the queue's CPUs."""
    labels = {"kueue.x-k8s.io/queue-name": "team"}
    resources = {"requests": {"cpu": "2", "memory": "200Mi"}}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "main", "image": image, "resources": resources}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"suspend": True, "template": {"spec": pod}},
    }


def running(world: World, namespace: str) -> dict[str, Manifest]:
    """Return the pods that run and aren't on their way out, by the Deployment or the model that they belong to."""
    found = {}
    for pod in world.pods(namespace):
        labels = pod["metadata"].get("labels", {})
        if pod["status"].get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp"):
            found[labels.get("daulat.dev/model") or labels.get("app", "")] = pod
    return found


def test_a_job_is_admitted_and_runs_pinned(queued: World, team: tuple[str, str]) -> None:
    policy, namespace = team
    queued.admin.apply([job("one", namespace)])
    queued.wait_condition("job", "one", "Complete", "True", namespace)
    assert [pinned(queued, pod, policy) for pod in queued.pods(namespace)] == [True]


def test_a_job_that_does_not_comply_is_explained_and_backs_off(
    queued: World, team: tuple[str, str], requests_of_queued: Requests
) -> None:
    policy, namespace = team
    queued.admin.apply([job("bad", namespace, "perl:5.34")])
    poll("a reason", lambda: bool(events(queued, namespace, "Job", "FailedCreate")))
    said = events(queued, namespace, "Job", "FailedCreate")
    assert any(f"policy {policy} allows images from registry.example.my/" in message for message in said), said
    poll("the Job to back off", lambda: backs_off(requests_of_queued.refusals(JOBS, namespace)))
    writes = requests_of_queued.of(KUEUE, namespace, "create", "update", "patch", "delete")
    assert len(writes) <= 20, [(e["verb"], e["requestURI"]) for e in writes]
    # It holds its quota until it is removed: Kueue has admitted it, and knows of no refused pods.
    queued.admin.apply([job("next", namespace)])
    queued.admin.run("delete", "job", "bad", "-n", namespace)
    queued.wait_condition("job", "next", "Complete", "True", namespace)


def service(name: str, namespace: str, priority: str) -> Manifest:
    """Return a Deployment with a queue, whose pod takes all of the queue's CPUs."""
    queue = {"kueue.x-k8s.io/queue-name": "team", "kueue.x-k8s.io/priority-class": f"{namespace}-{priority}"}
    spec = job(name, namespace)["spec"]["template"]["spec"]
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": queue},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {**spec, "restartPolicy": "Always"}},
        },
    }


def test_the_more_urgent_one_preempts_and_the_other_follows(queued: World, team: tuple[str, str]) -> None:
    policy, namespace = team
    queued.admin.apply([service("first", namespace, "low")])
    poll("the first to run", lambda: "first" in running(queued, namespace))
    queued.admin.apply([service("urgent", namespace, "high")])
    poll("the urgent one alone to run", lambda: set(running(queued, namespace)) == {"urgent"})
    assert pinned(queued, running(queued, namespace)["urgent"], policy)
    queued.admin.run("delete", "deployment", "urgent", "-n", namespace)
    poll("the first to run again", lambda: set(running(queued, namespace)) == {"first"})
    assert pinned(queued, running(queued, namespace)["first"], policy)


def test_models_take_turns_in_a_queue(queued: World, team: tuple[str, str]) -> None:
    """Each wants the queue's one accelerator: the second waits, and follows when the first is gone."""
    policy, namespace = team
    queued.admin.apply([model_manifest("first", namespace, queueName="team")])
    queued.wait_condition("smodel", "first", "Ready", "True", namespace)
    assert pinned(queued, running(queued, namespace)["first"], policy)
    queued.admin.apply([model_manifest("second", namespace, queueName="team")])
    poll("the second's pod to wait", lambda: "second" in gated(queued, namespace))
    queued.admin.run("delete", "smodel", "first", "-n", namespace)
    queued.wait_condition("smodel", "second", "Ready", "True", namespace)
    assert pinned(queued, running(queued, namespace)["second"], policy)


def gated(world: World, namespace: str) -> set[str]:
    """Return the models whose pods Kueue keeps from being scheduled."""
    gates = {
        pod["metadata"].get("labels", {}).get("daulat.dev/model", ""): pod["spec"].get("schedulingGates", [])
        for pod in world.pods(namespace)
    }
    return {name for name, found in gates.items() if {"name": "kueue.x-k8s.io/admission"} in found}


@pytest.fixture
def requests_of_queued(queued: World) -> Requests:
    """What the API server of Kueue's cluster logged."""
    return Requests(queued.cluster)
