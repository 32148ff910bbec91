"""The nodes, zones, policies, pods and models of a fleet, and the labels of record that each node should have.

The expected labels follow from the plan alone, independently of Daulat's code: correctness is judged by them.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import cached_property

from daulat.api.names import ELIGIBLE, NODE_PREFIX, ZONE_LABEL

ASCEND, H20, H200 = "atlas-800-a2", "hgx-h20", "hgx-h200"
"""Hardware by its name in the demo's scenario."""
PROFILES = {ASCEND: "huawei-ascend-910b", H20: "nvidia-h20"}
"""The profiles that policies approve. No policy approves H200."""
RESOURCES = {ASCEND: "huawei.com/Ascend910", H20: "nvidia.com/gpu", H200: "nvidia.com/gpu"}
DEVICES = 8
"""Of each node."""
SITES = 8
FEWEST_SITES = 3
STRAY, UNAPPROVED, FREE = 50, 25, 10
"""One in STRAY nodes has no site, one in UNAPPROVED has H200, and two in FREE have no pods from the start."""
PODS_A_NODE = 14
"""Upper bound. Every second pod has a device, so each node has a free one."""


@dataclass(frozen=True)
class Size:
    """How large a fleet is."""

    nodes: int = 5000
    pods: int = 20_000
    models: int = 300
    policies: int = 10
    revoked: int = 500
    """Nodes of the first zone, which is revoked."""


@dataclass(frozen=True)
class PlannedNode:
    """A node: its site (empty: no zone selects it) and its hardware."""

    name: str
    site: str
    hardware: str
    free: bool
    """Whether it has no pods from the start."""


@dataclass(frozen=True)
class PlannedPolicy:
    """A policy, with the zones and the hardware that it allows."""

    name: str
    zones: tuple[str, ...]
    hardware: tuple[str, ...]

    @property
    def namespaces(self) -> tuple[str, str]:
        """The namespaces that it governs."""
        return f"{self.name}-a", f"{self.name}-b"

    def allows(self, node: PlannedNode, gone: Set[str] = frozenset()) -> bool:
        """Return whether the node is eligible once these zones are gone."""
        return node.site in self.zones and node.site not in gone and node.hardware in self.hardware


@dataclass(frozen=True)
class PlannedPod:
    """A governed pod that is bound from the start."""

    name: str
    policy: PlannedPolicy
    node: PlannedNode
    device: bool
    """Whether it has a device."""

    @property
    def namespace(self) -> str:
        """Its namespace, governed by its policy."""
        return self.policy.namespaces[1]


@dataclass(frozen=True)
class Plan:
    """A whole fleet."""

    size: Size
    sites: tuple[str, ...]
    nodes: tuple[PlannedNode, ...]
    policies: tuple[PlannedPolicy, ...]
    pods: tuple[PlannedPod, ...]
    models: tuple[tuple[str, PlannedPolicy], ...] = field(default=())

    @cached_property
    def by_name(self) -> dict[str, PlannedNode]:
        """The nodes by name."""
        return {n.name: n for n in self.nodes}

    @cached_property
    def used(self) -> Counter[str]:
        """Pods by node."""
        return Counter(p.node.name for p in self.pods)

    def labels(self, node: str, gone: Set[str] = frozenset(), site: str | None = None) -> dict[str, str]:
        """Return all labels of record that a node should have.

        ``gone``: zones that select no node any more. ``site``: the node's site, if it differs from the plan.
        """
        planned = self.by_name[node]
        if site is not None:
            planned = PlannedNode(planned.name, site, planned.hardware, planned.free)
        zone = {ZONE_LABEL: planned.site} if planned.site in self.sites and planned.site not in gone else {}
        policies = (p.name for p in self.policies if p.allows(planned, gone))
        return zone | {f"{NODE_PREFIX}{name}": ELIGIBLE for name in policies}

    def on(self, site: str) -> list[PlannedPod]:
        """Return the pods on the nodes of a site."""
        return [p for p in self.pods if p.node.site == site]

    def candidates(self, *, free: bool) -> Iterator[PlannedNode]:
        """Yield eligible nodes, without pods or with pods, of a site that is never revoked."""
        stay = set(self.sites[2:FEWEST_SITES])
        for node in self.nodes:
            fits = node.free if free else self.used[node.name] > 0
            if node.site in stay and fits and len(self.labels(node.name)) > 1:
                yield node


def plan(size: Size) -> Plan:
    """Plan a fleet. ValueError if the pods don't fit on the nodes."""
    sites = tuple(f"site-{n}" for n in range(SITES))
    nodes = tuple(_nodes(size, sites))
    policies = tuple(_policy(n, sites) for n in range(size.policies))
    models = tuple((f"model-{n:04d}", policies[n % len(policies)]) for n in range(size.models))
    return Plan(size, sites, nodes, policies, tuple(_pods(size, policies, nodes)), models)


def _nodes(size: Size, sites: tuple[str, ...]) -> Iterator[PlannedNode]:
    others = itertools.cycle(sites[1:])
    for number in range(size.nodes):
        site = sites[0] if number < size.revoked else next(others)
        if number >= size.revoked and number % STRAY == STRAY - 1:
            site = ""
        hardware = H200 if number % UNAPPROVED == UNAPPROVED - 2 else (ASCEND, H20)[number % 2]
        yield PlannedNode(f"node-{number:05d}", site, hardware, free=number % FREE in (0, 1))


def _policy(number: int, sites: tuple[str, ...]) -> PlannedPolicy:
    some = sites[: FEWEST_SITES + number % (SITES - FEWEST_SITES + 1)]
    hardware = ((ASCEND, H20), (ASCEND,), (H20,))[number % 3]
    return PlannedPolicy(f"fleet-{number}", some, hardware)


def _pods(size: Size, policies: tuple[PlannedPolicy, ...], nodes: tuple[PlannedNode, ...]) -> Iterator[PlannedPod]:
    used: defaultdict[str, int] = defaultdict(int)
    turns = {p.name: _rounds([n for n in nodes if p.allows(n) and not n.free], used) for p in policies}
    for number, policy in zip(range(size.pods), itertools.cycle(policies), strict=False):
        node = next(turns[policy.name], None)
        if node is None:
            raise ValueError(f"{size.pods} pods don't fit on {size.nodes} nodes: policy {policy.name} has no more room")
        used[node.name] += 1
        yield PlannedPod(f"pod-{number:05d}", policy, node, device=used[node.name] % 2 == 0)


def _rounds(nodes: Iterable[PlannedNode], used: dict[str, int]) -> Iterator[PlannedNode]:
    """Yield the nodes in turn, repeatedly, until all are full."""
    left = list(nodes)
    while left:
        for node in left:
            if used[node.name] < PODS_A_NODE:
                yield node
        left = [n for n in left if used[n.name] < PODS_A_NODE]
