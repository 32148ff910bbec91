"""MultiKueue: a Job is created in one cluster and runs in another, each of which decides by its own nodes and its own policies."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.deployment import CHECKS, poll
from dev.neighbours.kueue import Kueue
from tests.e2e.world import Manifest, World, lower, namespace_manifest, raise_world, unique, zone_manifest

from .conftest import events
from .queues import API, ASCEND, CHECK, NAME, add_node, job, make_queue

FIRST, SECOND = "first", "second"
MULTIKUEUE = "kueue.x-k8s.io/multikueue"
SYSTEM = "kueue-system"


@dataclass(frozen=True)
class Federation:
    """A cluster where Jobs are created, and two where they run."""

    manager: World
    workers: dict[str, World]


@dataclass(frozen=True)
class Site:
    """A namespace that all three clusters have. In the workers a policy governs it, whose one zone has no node yet."""

    federation: Federation
    namespace: str
    policies: dict[str, str]

    def workloads(self, world: World) -> list[Manifest]:
        """Return the workloads in the queue of a cluster."""
        return list(world.get("workloads.kueue.x-k8s.io", namespace=self.namespace)["items"])

    def waits(self, worker: str) -> bool:
        """Say whether a cluster has the copy of the workload, and its operator has found no node for it."""
        told = f"no node is eligible under policy {self.policies[worker]}"
        found = self.workloads(self.federation.workers[worker])
        checks = [c for w in found for c in w.get("status", {}).get("admissionChecks", [])]
        return any(told in check["message"] for check in checks)

    @property
    def chosen(self) -> set[str]:
        """The clusters that MultiKueue has chosen for the workloads."""
        names = (w.get("status", {}).get("clusterName") for w in self.workloads(self.federation.manager))
        return {name for name in names if name}


def kueue(stack: ExitStack, directory: Path, *arguments: str) -> World:
    """Raise a cluster with Daulat and Kueue."""
    world = raise_world(
        unique(directory.name), directory / "operator", say=lambda line: None, settings=CHECKS, arguments=arguments
    )
    stack.callback(lower, world)
    controller = Kueue(world.cluster, directory / "kueue")
    controller.start()
    stack.callback(controller.stop)
    return world


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Three clusters, of which the first reaches the other two."""
    with ExitStack() as stack:
        manager = kueue(stack, tmp_path_factory.mktemp("manager"))
        workers = {
            name: kueue(stack, tmp_path_factory.mktemp(name), "--kueue-admission-check") for name in (FIRST, SECOND)
        }
        for name, worker in workers.items():
            config = base64.b64encode(worker.cluster.kubeconfig().read_bytes()).decode()
            reached = {"clusterSource": {"kubeConfig": {"locationType": "Secret", "location": name}}}
            manager.admin.apply(
                [
                    {
                        "apiVersion": "v1",
                        "kind": "Secret",
                        "metadata": {"name": name, "namespace": SYSTEM},
                        "data": {"kubeconfig": config},
                    },
                    {"apiVersion": API, "kind": "MultiKueueCluster", "metadata": {"name": name}, "spec": reached},
                ]
            )
        check = {
            "controllerName": MULTIKUEUE,
            "parameters": {"apiGroup": "kueue.x-k8s.io", "kind": "MultiKueueConfig", "name": "all"},
        }
        manager.admin.apply(
            [
                {
                    "apiVersion": API,
                    "kind": "MultiKueueConfig",
                    "metadata": {"name": "all"},
                    "spec": {"clusters": list(workers)},
                },
                {"apiVersion": API, "kind": "AdmissionCheck", "metadata": {"name": "elsewhere"}, "spec": check},
            ]
        )
        for name in workers:
            manager.wait_condition("multikueuecluster", name, "Active", "True")
        manager.wait_condition("admissioncheck", "elsewhere", "Active", "True")
        yield Federation(manager, workers)


@pytest.fixture
def site(federation: Federation) -> Iterator[Site]:
    """A namespace and its queues in all three clusters."""
    namespace = unique("ns")
    federation.manager.admin.apply([namespace_manifest(namespace)])
    make_queue(federation.manager, namespace, "elsewhere")
    policies = {}
    for name, worker in federation.workers.items():
        worker.admin.apply([zone_manifest(namespace), CHECK])
        worker.wait_condition("admissioncheck", NAME, "Active", "True")
        policies[name], _ = worker.govern(namespace, zones={"names": [namespace]})
        make_queue(worker, namespace, NAME)
    yield Site(federation, namespace, policies)
    federation.manager.remove(namespace)
    for name, worker in federation.workers.items():
        worker.remove(namespace, policies[name])
        worker.admin.run("delete", "nodes", "-l", f"daulat.node-restriction.kubernetes.io/site={namespace}")
        worker.admin.run("delete", "szone", namespace)


@pytest.mark.parametrize(("chosen", "other"), [(FIRST, SECOND), (SECOND, FIRST)])
def test_a_job_runs_in_the_one_cluster_whose_operator_has_a_node_for_it(site: Site, chosen: str, other: str) -> None:
    manager, workers = site.federation.manager, site.federation.workers
    manager.admin.apply([job("one", site.namespace, device=ASCEND)])
    for name in workers:
        poll(f"the workload to wait in the {name} cluster", lambda: site.waits(name))  # noqa: B023
    assert site.chosen == set()
    node = add_node(workers[chosen], site.namespace, devices=2)
    manager.wait_condition("job", "one", "Complete", "True", site.namespace)
    assert site.chosen == {chosen}
    # MultiKueue deletes the Job in the worker cluster, and its pods with it, once that has ended.
    (told,) = events(workers[chosen], site.namespace, "Pod", "Scheduled")
    assert told.endswith(f" to {node}")
    assert (manager.pods(site.namespace), workers[other].pods(site.namespace)) == ([], [])
    poll(f"the copy in the {other} cluster to go", lambda: site.workloads(workers[other]) == [])


def test_a_job_that_no_cluster_may_run_waits_and_has_no_pod(site: Site) -> None:
    manager, workers = site.federation.manager, site.federation.workers
    for worker in workers.values():
        add_node(worker, site.namespace, devices=2)
    manager.admin.apply([job("bad", site.namespace, device="amd.com/gpu")])
    told = {name: f'"amd.com/gpu" was requested; policy {policy} approves' for name, policy in site.policies.items()}
    for name, worker in workers.items():
        poll(
            f"the {name} cluster to reject it",
            lambda: told[name] in str([w.get("status") for w in site.workloads(worker)]),  # noqa: B023
        )
    assert site.chosen == set()
    assert [world.pods(site.namespace) for world in (manager, *workers.values())] == [[], [], []]
