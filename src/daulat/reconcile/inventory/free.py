"""Counts the devices that no pod holds, on a node, or by zone and profile."""

from __future__ import annotations

from collections import Counter

from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
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


def free_devices(snapshot: Snapshot) -> Counter[Devices]:
    """Return how many devices no pod holds, on nodes that are ready and schedulable."""
    found: Counter[Devices] = Counter()
    inventory, free = Accelerators.of(snapshot), FreeDevices(snapshot)
    for node in snapshot.nodes.values():
        if not (isinstance(node, Node) and node.ready and node.schedulable):
            continue
        holding = inventory.holding(node, snapshot)
        for profile, resource, count in holding.devices if holding.zone else ():
            found[holding.zone, profile, resource] += free.on(node, profile, resource, count)
    return found
