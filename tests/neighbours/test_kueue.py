"""Kueue in a governed namespace: queue, quota and preemption beside a policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dev.cluster import audit
from dev.deployment import CHECKS, poll
from dev.neighbours.kueue import Kueue
from tests.e2e.world import (
    Manifest,
    World,
    lower,
    model_manifest,
    raise_world,
    unique,
    zone_manifest,
)

from .conftest import JOBS, KUEUE, Requests, backs_off, events, pinned
from .queues import ASCEND, CHECK, NAME, add_node, job, make_queue


@dataclass(frozen=True)
class Checked:
    """A namespace with a queue that has the AdmissionCheck, and the one zone that its policy allows."""

    world: World
    policy: str
    namespace: str
    zone: str

    def add_node(self, devices: int) -> str:
        """Add a node of the zone with so many devices."""
        return add_node(self.world, self.zone, devices)

    def workloads(self) -> list[Manifest]:
        """Return the workloads in the queue."""
        return list(self.world.get("workloads.kueue.x-k8s.io", namespace=self.namespace)["items"])

    def states(self) -> list[tuple[str, str]]:
        """Return the state of the AdmissionCheck of each workload, and its message."""
        checks = (c for w in self.workloads() for c in w.get("status", {}).get("admissionChecks", []))
        return [(c["state"], c["message"]) for c in checks]

    def saw(self, state: str, text: str) -> bool:
        """Say whether a workload has the state with a message that holds the text."""
        return any(state == found and text in message for found, message in self.states())


@pytest.fixture(scope="module")
def queued(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with Daulat and Kueue of their own: without Kueue, its webhooks would refuse pods of every namespace."""
    directory = tmp_path_factory.mktemp("queued")
    logged = audit.requests_of([JOBS, KUEUE])
    raised = raise_world(
        unique("queued"),
        directory / "operator",
        say=lambda line: None,
        audit_policy=logged,
        settings=CHECKS,
        arguments=("--kueue-admission-check",),
    )
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
    make_queue(queued, namespace)
    yield policy, namespace
    queued.remove(namespace, policy)


@pytest.fixture
def checked(queued: World) -> Iterator[Checked]:
    """The same with the AdmissionCheck in the queue, and a policy that allows one zone alone, which has no node yet."""
    zone = unique("zone")
    queued.admin.apply([zone_manifest(zone), CHECK])
    queued.wait_condition("admissioncheck", NAME, "Active", "True")
    policy, namespace = queued.govern(zones={"names": [zone]})
    make_queue(queued, namespace, NAME)
    yield Checked(queued, policy, namespace, zone)
    queued.remove(namespace, policy)
    queued.admin.run("delete", "nodes", "-l", f"daulat.node-restriction.kubernetes.io/site={zone}")
    queued.admin.run("delete", "szone", zone)


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


def service(name: str, namespace: str, priority: str, device: str = "") -> Manifest:
    """Return a Deployment with a queue, whose pod takes all of the queue's CPUs, and one device where one is named."""
    queue = {"kueue.x-k8s.io/queue-name": "team", "kueue.x-k8s.io/priority-class": f"{namespace}-{priority}"}
    spec = job(name, namespace, device=device)["spec"]["template"]["spec"]
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


def test_a_job_is_sent_back_until_a_node_joins_that_its_policy_allows(checked: Checked) -> None:
    world, namespace = checked.world, checked.namespace
    world.admin.apply([job("one", namespace, device=ASCEND)])
    poll(
        "the job to be sent back, and its reason to be told",
        lambda: bool(events(world, namespace, "Job", "AdmissionCheckRetry")),
    )
    poll("its quota to be free again", lambda: checked.saw("Pending", "Previously: Retry"))
    told = f"no node is eligible under policy {checked.policy}"
    for kind in ("Workload", "Job"):
        assert told in " ".join(events(world, namespace, kind, "AdmissionCheckRetry"))
    assert world.pods(namespace) == []
    node = checked.add_node(devices=2)
    world.wait_condition("job", "one", "Complete", "True", namespace)
    assert [pod["spec"]["nodeName"] for pod in world.pods(namespace)] == [node]
    place = f"1 eligible node in zone {checked.zone} under policy {checked.policy}"
    assert checked.states() == [("Ready", place)]


def test_a_job_that_asks_for_an_accelerator_that_nobody_approves_is_rejected_with_words(checked: Checked) -> None:
    world, namespace = checked.world, checked.namespace
    checked.add_node(devices=2)
    world.admin.apply([job("bad", namespace, device="amd.com/gpu")])
    told = f'SUP-08 podSet main: "amd.com/gpu" was requested; policy {checked.policy} approves'
    poll("the reason", lambda: told in " ".join(events(world, namespace, "Job", "AdmissionCheckRejected")))
    poll("Kueue to deactivate it", lambda: [w["spec"]["active"] for w in checked.workloads()] == [False])
    assert world.pods(namespace) == []
    # It gives its quota back, so that the next one starts.
    world.admin.apply([job("next", namespace, device=ASCEND)])
    world.wait_condition("job", "next", "Complete", "True", namespace)


def test_the_more_urgent_one_takes_the_only_device_and_gives_it_back(checked: Checked) -> None:
    world, namespace = checked.world, checked.namespace
    checked.add_node(devices=1)
    world.admin.apply([service("first", namespace, "low", ASCEND)])
    poll("the first to run", lambda: "first" in running(world, namespace))
    world.admin.apply([service("urgent", namespace, "high", ASCEND)])
    poll("the urgent one alone to run", lambda: set(running(world, namespace)) == {"urgent"})
    assert pinned(world, running(world, namespace)["urgent"], checked.policy)
    world.admin.run("delete", "deployment", "urgent", "-n", namespace)
    poll("the first to run again", lambda: set(running(world, namespace)) == {"first"})
    assert pinned(world, running(world, namespace)["first"], checked.policy)


def test_models_take_turns_on_the_only_device(checked: Checked) -> None:
    world, namespace = checked.world, checked.namespace
    checked.add_node(devices=2)
    world.admin.apply([model_manifest("first", namespace, queueName="team")])
    world.wait_condition("smodel", "first", "Ready", "True", namespace)
    world.admin.apply([model_manifest("second", namespace, queueName="team")])
    poll("the second's pod to wait", lambda: "second" in gated(world, namespace))
    world.admin.run("delete", "smodel", "first", "-n", namespace)
    world.wait_condition("smodel", "second", "Ready", "True", namespace)
    assert pinned(world, running(world, namespace)["second"], checked.policy)


def test_the_more_urgent_model_takes_the_quota_and_gives_it_back(checked: Checked) -> None:
    world, namespace = checked.world, checked.namespace
    checked.add_node(devices=2)
    head = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    world.admin.apply([{**head, "metadata": {"name": f"{namespace}-high"}, "value": 1000}])
    world.admin.apply([model_manifest("first", namespace, queueName="team")])
    world.wait_condition("smodel", "first", "Ready", "True", namespace)
    urgent = model_manifest("urgent", namespace, queueName="team", priorityClassName=f"{namespace}-high")
    world.admin.apply([urgent])
    world.wait_condition("smodel", "urgent", "Ready", "True", namespace)
    poll("the urgent one alone to run", lambda: set(running(world, namespace)) == {"urgent"})
    assert pinned(world, running(world, namespace)["urgent"], checked.policy)
    world.admin.run("delete", "smodel", "urgent", "-n", namespace)
    world.wait_condition("smodel", "first", "Ready", "True", namespace)
    assert pinned(world, running(world, namespace)["first"], checked.policy)
    world.admin.run("delete", "priorityclass", f"{namespace}-high")


def test_a_namespace_that_is_not_governed_is_admitted(queued: World) -> None:
    namespace = unique("free")
    queued.admin.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, CHECK])
    make_queue(queued, namespace, NAME)
    queued.admin.apply([job("one", namespace)])
    queued.wait_condition("job", "one", "Complete", "True", namespace)
    queued.remove(namespace)


@pytest.fixture
def requests_of_queued(queued: World) -> Requests:
    """What the API server of Kueue's cluster logged."""
    return Requests(queued.cluster)
