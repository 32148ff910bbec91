"""Counts the devices that no pod holds, on a node, or by zone and profile."""

from __future__ import annotations

from collections import Counter

from daulat.facts.change import Change
from daulat.facts.derived import DerivedFact
from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
from daulat.facts.unknown import Unknown
from daulat.kube.ref import Ref
from daulat.placement.dra import Claimed, DeviceClaims

from .accelerators import Accelerators

_NO_MODEL = Ref("SovereignModel", "", "")
Devices = tuple[str, str, str]
"""Zone, profile and resource."""


class FreeDevices:
    """The devices of one snapshot that no pod holds."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot, self._claims = snapshot, DeviceClaims(snapshot, _NO_MODEL)

    def on(self, node: Node, profile: str, resource: str, count: int) -> int:
        """Return how many of the devices of a profile that a node has are free, whether or not the node takes pods."""
        if resource in node.devices:
            free = count - self._snapshot.held.get(node.name, {}).get(resource, 0)
        else:
            free = self._unclaimed(node, profile, resource)
        return max(free, 0)

    def _unclaimed(self, node: Node, profile: str, device_class: str) -> int:
        spec = self._snapshot.known_profiles[profile]
        resource = next(r for r in spec.dynamic_resources if r.device_class_name == device_class)
        return self._claims.free(node, Claimed(spec, resource))


class FreeByZone(DerivedFact):
    """How many devices no pod holds, on nodes that are ready and schedulable. Counted node by node as facts change."""

    depends_on = frozenset({"Node", "Pod", "SovereignZone", "AcceleratorProfile", "ResourceSlice", "ResourceClaim"})

    def __init__(self) -> None:
        self._by_node: dict[str, Counter[Devices]] | None = None
        self._total: Counter[Devices] = Counter()
        self._stale: set[str] = set()

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Note the node, or those of the pod. What concerns more than one node concerns all of them."""
        if change.ref.kind == "Node":
            self._stale.add(change.ref.name)
        elif change.ref.kind == "Pod":
            self._stale |= {pod.node for pod in change.sides if pod.node}
        else:
            return False
        return True

    def counted(self, snapshot: Snapshot) -> Counter[Devices]:
        """Return the numbers."""
        if self._by_node is None:
            self._by_node, self._stale = {}, set(snapshot.nodes)
        if self._stale:
            inventory, free = Accelerators.of(snapshot), FreeDevices(snapshot)
            for name in self._stale:
                if (before := self._by_node.pop(name, None)) is not None:
                    self._total.subtract(before)
                if now := _free_on(snapshot.nodes.get(name), inventory, free, snapshot):
                    self._by_node[name] = now
                    self._total.update(now)
            self._total, self._stale = +self._total, set()
        return self._total


def free_devices(snapshot: Snapshot) -> Counter[Devices]:
    """Return how many devices no pod holds, on nodes that are ready and schedulable."""
    return FreeByZone.of(snapshot).counted(snapshot)


def _free_on(
    node: Node | Unknown | None, inventory: Accelerators, free: FreeDevices, snapshot: Snapshot
) -> Counter[Devices]:
    found: Counter[Devices] = Counter()
    if isinstance(node, Node) and node.ready and node.schedulable:
        holding = inventory.holding(node, snapshot)
        for profile, resource, count in holding.devices if holding.zone else ():
            found[holding.zone, profile, resource] += free.on(node, profile, resource, count)
    return found
