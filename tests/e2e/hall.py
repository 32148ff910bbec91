"""A zone of a test's own with nodes, and a namespace whose policy takes no other zone: facts change there and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dev.deployment import poll

from .world import Manifest, World, node_manifest, pod_manifest, unique, zone_manifest

PREFIX = "daulat.node-restriction.kubernetes.io/"
SITE = PREFIX + "site"
UNDECIDED = "daulat.dev/undecided"


@dataclass
class Hall:
    """A zone with its nodes, and a governed namespace."""

    world: World
    policy: str
    namespace: str
    nodes: tuple[str, ...]
    site: str
    closed: set[str] = field(default_factory=set)
    """The nodes that nothing vouches for any more."""

    @property
    def label(self) -> str:
        """The label of nodes that are eligible under the policy."""
        return PREFIX + self.policy

    def close(self, *nodes: str) -> None:
        """Take away what vouches for nodes."""
        self.closed.update(nodes)
        self.world.admin.run("label", "node", *nodes, f"{SITE}-")

    def fill(self, count: int) -> list[str]:
        """Make pods, wait until they run, and return their uids."""
        return self._run([pod_manifest(f"p{n}", self.namespace) for n in range(count)])

    def fill_each(self, count: int) -> list[str]:
        """Make so many pods on each node, wait until they run, and return their uids."""
        pods = []
        for node in self.nodes:
            where = {"nodeSelector": {"kubernetes.io/hostname": node}}
            pods += [pod_manifest(f"{node}-{n}", self.namespace, **where) for n in range(count)]
        return self._run(pods)

    def _run(self, pods: list[Manifest]) -> list[str]:
        self.world.admin.apply(pods)
        poll("the pods to run", lambda: len(self.running()) == len(pods))
        # All may run on one node before the next has its label: what a test begins with is a hall that is complete.
        poll("the nodes to be eligible", lambda: set(self.eligible()) == set(self.nodes) - self.closed)
        return [p["metadata"]["uid"] for p in self.running()]

    def running(self, *nodes: str) -> list[Manifest]:
        """Return the pods that run and aren't on their way out: on these nodes, or anywhere."""
        return [
            p
            for p in self.world.pods(self.namespace)
            if not p["metadata"].get("deletionTimestamp")
            and p["status"].get("phase") == "Running"
            and (not nodes or p["spec"].get("nodeName") in nodes)
        ]

    def where(self, label: str) -> list[str]:
        """Return the nodes of the pods with a label that aren't on their way out."""
        pods = self.world.get("pods", "-l", label, namespace=self.namespace)["items"]
        there = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
        return sorted(p["spec"]["nodeName"] for p in there if p["spec"].get("nodeName"))

    def eligible(self) -> list[str]:
        """Return the nodes that have the policy's label."""
        return [n for n in self.nodes if self.world.get("node", n)["metadata"]["labels"].get(self.label) == "eligible"]

    def undecided(self) -> list[str]:
        """Return the nodes that have the taint of undecided ones."""
        found = {n: self.world.get("node", n)["spec"].get("taints") or [] for n in self.nodes}
        return [n for n, taints in found.items() if any(t["key"] == UNDECIDED for t in taints)]

    def upheld(self, status: str) -> str:
        """Wait until the policy says whether it is upheld, and return what it says."""
        found = self.world.wait_condition("sovereigntypolicy", self.policy, "Upheld", status)
        return str(found["message"])


@contextmanager
def hall(world: World, size: int = 2, nodes: list[Manifest] | None = None, **spec: Any) -> Iterator[Hall]:
    """A hall for as long as the block lasts, with nodes of the test's own or so many with Ascend devices."""
    site = unique("hall")
    manifests = nodes or [node_manifest(unique("node")) for _ in range(size)]
    for manifest in manifests:
        manifest["metadata"]["labels"][SITE] = site
    names = tuple(m["metadata"]["name"] for m in manifests)
    world.admin.apply([zone_manifest(site), *manifests])
    world.admin.apply(manifests, "--subresource=status")
    try:
        zones = {**spec.pop("zones", {}), "names": [site]}
        with world.governed(zones=zones, **spec) as (policy, namespace):
            yield Hall(world, policy, namespace, names, site)
    finally:
        world.admin.run("delete", "node", *names, "--ignore-not-found")
        world.admin.run("delete", "sovereignzone", site, "--ignore-not-found")
