"""Nodes that an autoscaler brings: they join late, get their labels after that, and no label that they bring themselves counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from daulat.api.names import NODE_PREFIX, UNDECIDED_TAINT, eligible_label
from dev.cluster import ClusterError
from dev.cluster.kubectl import Kubectl
from dev.deployment import poll

from .world import Manifest, World, namespace_manifest, node_manifest, pod_manifest, unique

SITE = f"{NODE_PREFIX}site"
POOL = "example.my/pool"
UNDECIDED = {"key": UNDECIDED_TAINT, "effect": "NoSchedule"}
UNREGISTERED = {"key": "karpenter.sh/unregistered", "effect": "NoExecute"}
NODES = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "create", "patch"]}
CERTIFY = {"apiGroups": ["daulat.dev"], "resources": ["sovereignzones"], "verbs": ["certify"]}


@dataclass(frozen=True)
class Pool:
    """A node group without nodes, and a governed pod that only a node of it can take."""

    world: World
    policy: str
    namespace: str
    name: str

    @property
    def node(self) -> str:
        """The name of the node that joins."""
        return f"node-{self.name}"

    def manifest(self, taints: list[Manifest] | None = None, labels: dict[str, str] | None = None) -> Manifest:
        """Return the node as it registers: with the labels and taints that its template has."""
        manifest = node_manifest(self.node)
        manifest["metadata"]["labels"] |= {POOL: self.name, **(labels or {})}
        manifest["spec"] = {**manifest.get("spec", {}), "taints": taints or []}
        # Its devices come with its status: nobody else's objection to them is wanted here.
        del manifest["status"]
        return manifest

    def kubelet(self) -> Kubectl:
        """Return kubectl as the kubelet of the node."""
        return self.world.as_user(f"system:node:{self.node}", "system:nodes")

    def join(self, taints: list[Manifest] | None = None) -> None:
        """Register the node as its kubelet does, and report it ready."""
        refusal = self.world.refusal(manifest := self.manifest(taints), kubectl=self.kubelet())
        assert not refusal, refusal
        self.world.admin.apply([{**manifest, "status": node_manifest(self.node)["status"]}], "--subresource=status")

    def labels(self) -> dict[str, str]:
        """Return the labels of record of the node."""
        labels = self.world.get("node", self.node)["metadata"]["labels"]
        return {key: value for key, value in labels.items() if key.startswith(NODE_PREFIX)}

    def taints(self) -> list[str]:
        """Return the keys of the node's taints."""
        return [taint["key"] for taint in self.world.get("node", self.node)["spec"].get("taints", [])]

    def placed(self, pod: str = "waiting", namespace: str = "") -> str:
        """Return the node of a pod; empty where it is pending."""
        return str(self.world.get("pod", pod, namespace=namespace or self.namespace)["spec"].get("nodeName", ""))

    def scheduling(self) -> str:
        """Return what the scheduler says of the pod."""
        status = self.world.get("pod", "waiting", namespace=self.namespace)["status"]
        return next(
            (str(c.get("message", "")) for c in status.get("conditions", []) if c["type"] == "PodScheduled"), ""
        )


@pytest.fixture
def pool(world: World) -> Iterator[Pool]:
    """One of the test's own."""
    with _pool(world) as found:
        yield found


@contextmanager
def _pool(world: World) -> Iterator[Pool]:
    name = unique("pool")
    try:
        with world.governed() as (policy, namespace):
            found = Pool(world, policy, namespace, name)
            selector = {POOL: name, eligible_label(policy): "eligible"}
            world.admin.apply([pod_manifest("waiting", namespace, nodeSelector=selector)])
            poll("the pod to be unschedulable", lambda: "didn't match" in found.scheduling())
            yield found
    finally:
        # The node goes last: it ends the pods that it has.
        world.admin.run("delete", "node", f"node-{name}", "--ignore-not-found")


def test_a_pod_waits_until_a_node_has_joined_and_a_zone_admin_has_said_where_it_stands(pool: Pool) -> None:
    pool.join()
    # A pod that no policy governs shows that the scheduler has the node.
    with _ungoverned(pool) as namespace:
        poll("the scheduler to use the node", lambda: pool.placed("free", namespace) == pool.node)
    assert not pool.placed()
    assert pool.labels() == {}
    pool.world.grant(unique("zone-admin"), NODES, CERTIFY).run("label", "node", pool.node, f"{SITE}=cyberjaya-1")
    poll("the pod to have the node", lambda: pool.placed() == pool.node)
    assert pool.labels()[eligible_label(pool.policy)] == "eligible"


@pytest.mark.parametrize("label", ["site", "policy"])
def test_a_node_that_joins_with_a_label_of_record_in_its_template_is_refused(pool: Pool, label: str) -> None:
    key, value = (SITE, "cyberjaya-1") if label == "site" else (eligible_label(pool.policy), "eligible")
    manifest = pool.manifest(labels={key: value})
    name = unique("autoscaler")
    refusal = pool.world.refusal(manifest, kubectl=pool.world.grant(name, NODES))
    assert f'MGD-02 metadata.labels["{key}"]: user "{name}" changed a label of record' in refusal
    assert "Ask a zone admin." in refusal
    by_kubelet = pool.world.refusal(manifest, kubectl=pool.kubelet())
    assert "is not allowed to modify labels" in by_kubelet or "not allowed to set" in by_kubelet, by_kubelet
    assert not pool.world.exists("node", pool.node)


def test_an_autoscaler_that_may_not_certify_cant_label_a_node_that_has_joined(pool: Pool) -> None:
    pool.join([UNREGISTERED])
    name = unique("autoscaler")
    labels = {"metadata": {"labels": {eligible_label(pool.policy): "eligible"}}}
    autoscaler = pool.world.grant(name, NODES)
    assert f'user "{name}" changed a label of record' in _refused(autoscaler, pool, labels)
    assert pool.labels() == {}


def test_a_node_may_join_undecided_and_is_decided_without_anybodys_help(pool: Pool) -> None:
    pool.join([UNDECIDED])
    poll("the taint to go", lambda: UNDECIDED_TAINT not in pool.taints())
    assert pool.labels() == {}


@pytest.mark.parametrize(("site", "eligible"), [("cyberjaya-1", True), ("elsewhere", False)])
def test_labels_from_an_autoscaler_that_may_certify_count_once_they_are_decided(
    pool: Pool, site: str, eligible: bool
) -> None:
    # As Karpenter does: the kubelet registers with the startup taint, then one patch brings labels, and the taint again.
    pool.join([UNREGISTERED, UNDECIDED])
    label = eligible_label(pool.policy)
    labels = {SITE: site, label: "eligible"}
    patch = {"metadata": {"labels": labels}, "spec": {"taints": [UNDECIDED]}}
    autoscaler = pool.world.grant(unique("autoscaler"), NODES, CERTIFY)
    autoscaler.run("patch", "node", pool.node, "--type=merge", f"--patch={json.dumps(patch)}")
    poll("the node to be decided", lambda: UNDECIDED_TAINT not in pool.taints())
    if eligible:
        assert pool.labels()[label] == "eligible"
        poll("the pod to have the node", lambda: pool.placed() == pool.node)
    else:
        assert pool.labels() == {SITE: site}
        assert not pool.placed()


@contextmanager
def _ungoverned(pool: Pool) -> Iterator[str]:
    """A pod for the same node in a namespace that no policy governs. Yields the namespace."""
    namespace = unique("free")
    pool.world.admin.apply([namespace_manifest(namespace)])
    poll("the default ServiceAccount", lambda: pool.world.exists("serviceaccount", "default", namespace))
    pool.world.admin.apply([pod_manifest("free", namespace, nodeSelector={POOL: pool.name})])
    try:
        yield namespace
    finally:
        pool.world.remove(namespace)


def _refused(kubectl: Kubectl, pool: Pool, patch: Manifest) -> str:
    try:
        kubectl.run("patch", "node", pool.node, "--type=merge", f"--patch={json.dumps(patch)}")
    except ClusterError as error:
        return str(error)
    return ""
