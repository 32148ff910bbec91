"""Kubeflow Trainer and JobSet in a governed namespace: JobSets of TrainJobs, Jobs of JobSets, and pods by the Job controller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dev.deployment import poll
from dev.neighbours import build
from dev.neighbours.jobset import JobSet
from dev.neighbours.trainer import Trainer
from tests.e2e.test_check import checked, reader
from tests.e2e.world import IMAGE, Manifest, World

from .conftest import JOBS, JOBSET, TRAINER, Requests, backs_off, events, pinned, with_image

EXCLUSIVE = "alpha.jobset.sigs.k8s.io/exclusive-topology"
JOB = "batch.kubernetes.io/job-name"


@pytest.fixture(scope="module")
def training(neighbourhood: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The cluster, with JobSet and Kubeflow Trainer."""
    directory = tmp_path_factory.mktemp("trainer")
    jobset = JobSet(neighbourhood.cluster, directory / "jobset")
    trainer = Trainer(neighbourhood.cluster, directory / "trainer")
    with ExitStack() as started:
        for controller in (jobset, trainer):
            started.callback(controller.stop)
            controller.start()
        yield neighbourhood


@pytest.fixture
def governed(training: World) -> Iterator[tuple[str, str]]:
    """A policy, and a namespace that it governs."""
    policy, namespace = training.govern()
    yield policy, namespace
    training.admin.run("delete", "trainjobs,jobsets", "--all", "-n", namespace)
    training.admin.run("delete", "clustertrainingruntime", namespace, "--ignore-not-found")
    training.remove(namespace, policy)


def runtime(name: str, image: str = "", file: str = "torch_distributed.yaml") -> Manifest:
    """Return a runtime of the project under a name, with an image in its containers where one is given."""
    (found,) = build.sample(build.TRAINER, file)
    changed: Manifest = with_image(found, image)
    return {**changed, "metadata": {**changed["metadata"], "name": name}}


def trainjob(namespace: str, **spec: Any) -> Manifest:
    """Return a TrainJob of two nodes, with the runtime that has the namespace's name."""
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "sample", "namespace": namespace},
        "spec": {"runtimeRef": {"name": namespace}, "trainer": {"numNodes": 2}, **spec},
    }


def jobset(file: str, namespace: str) -> Manifest:
    """Return a JobSet of the project's samples, with an image that complies."""
    (found,) = build.sample(build.JOBSET, file)
    changed: Manifest = with_image(found, IMAGE)
    return {**changed, "metadata": {**changed["metadata"], "name": "sample", "namespace": namespace}}


def test_the_pods_of_a_jobset_run_pinned(training: World, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    training.admin.apply([jobset("coordinator.yaml", namespace)])
    training.wait_condition("jobset", "sample", "Completed", "True", namespace)
    assert [pinned(training, pod, policy) for pod in training.pods(namespace)] == [True] * 5


def test_the_pods_of_an_exclusively_placed_jobset_run_pinned_on_the_node_of_their_leader(
    training: World, governed: tuple[str, str]
) -> None:
    """JobSet's webhook adds affinities to the first pod of a Job, and the node selector of that pod's place to the others."""
    policy, namespace = governed
    made = jobset("exclusive-placement.yaml", namespace)
    made["metadata"]["annotations"] = {EXCLUSIVE: "kubernetes.io/hostname"}
    training.admin.apply([made])
    training.wait_condition("jobset", "sample", "Completed", "True", namespace)
    pods = training.pods(namespace)
    assert [pinned(training, pod, policy) for pod in pods] == [True] * 9
    leaders = {p["metadata"]["labels"][JOB]: p["spec"]["nodeName"] for p in pods if is_leader(p)}
    followers = [p for p in pods if not is_leader(p)]
    assert (len(leaders), len(followers)) == (3, 6)
    for pod in followers:
        assert pod["spec"]["nodeSelector"]["kubernetes.io/hostname"] == leaders[pod["metadata"]["labels"][JOB]]


def is_leader(pod: Manifest) -> bool:
    """Say whether a pod is the first of its Job."""
    return bool(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] == "0")


def test_the_nodes_of_a_trainjob_run_pinned(training: World, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    training.admin.apply([runtime(namespace, IMAGE)])
    training.admin.apply([trainjob(namespace)])
    training.wait_condition("trainjob", "sample", "Complete", "True", namespace)
    assert [pinned(training, pod, policy) for pod in training.pods(namespace)] == [True, True]


def test_a_trainjob_that_does_not_comply_is_explained_and_backs_off(
    training: World, governed: tuple[str, str], requests: Requests
) -> None:
    policy, namespace = governed
    training.admin.apply([runtime(namespace)])
    training.admin.apply([trainjob(namespace)])
    poll("a reason", lambda: bool(events(training, namespace, "Job", "FailedCreate")))
    said = events(training, namespace, "Job", "FailedCreate")
    assert any(f"policy {policy} allows images from registry.example.my/" in message for message in said), said
    assert any("SUP-01" in message and "Append @sha256:" in message for message in said), said
    (judged,) = checked(reader(training)[0], training.get("jobset", "sample", namespace=namespace), code=1)["objects"]
    findings = [f["message"] for f in judged["findings"] if f["policy"] == policy]
    assert {message[:6] for message in findings} == {"STO-07", "SUP-01"}
    assert [message for message in findings if not any(message in one for one in said)] == []
    poll("the Job to back off", lambda: backs_off(requests.refusals(JOBS, namespace)))
    assert training.pods(namespace) == []
    # One write for each object that they make, its status and its Events: nothing is repeated for a refusal.
    for controller in (TRAINER, JOBSET):
        writes = requests.of(controller, namespace, "create", "update", "patch", "delete")
        assert 0 < len(writes) <= 15, [(e["verb"], e["requestURI"]) for e in writes]


def test_a_trainjob_that_is_made_anew_from_a_corrected_runtime_runs(
    training: World, governed: tuple[str, str], requests: Requests
) -> None:
    policy, namespace = governed
    training.admin.apply([runtime(namespace)])
    training.admin.apply([trainjob(namespace)])
    poll("a refusal", lambda: bool(requests.refusals(JOBS, namespace)))
    training.admin.apply([runtime(namespace, IMAGE)])
    training.admin.run("delete", "trainjob", "sample", "-n", namespace)
    poll("the JobSet to go", lambda: not training.exists("jobset", "sample", namespace))
    training.admin.apply([trainjob(namespace)])
    training.wait_condition("trainjob", "sample", "Complete", "True", namespace)
    assert [pinned(training, pod, policy) for pod in training.pods(namespace)] == [True, True]


def test_the_initializers_of_a_sample_are_refused_since_they_fetch_from_a_hub(
    training: World, governed: tuple[str, str], requests: Requests
) -> None:
    """Their containers are given the location by the variable STORAGE_URI."""
    _, namespace = governed
    training.admin.apply([runtime(namespace, IMAGE, "llama3_2_1B.yaml")])
    training.admin.apply([trainjob(namespace, trainer={}, initializer={"model": {"storageUri": "hf://org/model"}})])
    poll("a reason", lambda: bool(events(training, namespace, "Job", "FailedCreate")))
    said = events(training, namespace, "Job", "FailedCreate")
    assert any('env["STORAGE_URI"]: "hf://tatsu-lab/alpaca" was set' in message for message in said), said
    poll("the Job to back off", lambda: backs_off(requests.refusals(JOBS, namespace)))
