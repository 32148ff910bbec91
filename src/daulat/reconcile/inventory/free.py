"""Counts the devices that no pod holds, by zone and profile."""

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


def free_devices(snapshot: Snapshot) -> Counter[Devices]:
    """Return how many devices no pod holds, on nodes that are ready and schedulable."""
    found: Counter[Devices] = Counter()
    inventory, claims = Accelerators.of(snapshot), DeviceClaims(snapshot, _NO_MODEL)
    for node in snapshot.nodes.values():
        if not (isinstance(node, Node) and node.ready and node.schedulable):
            continue
        holding = inventory.holding(node, snapshot)
        for profile, resource, count in holding.devices if holding.zone else ():
            if resource in node.devices:
                free = count - snapshot.held.get(node.name, {}).get(resource, 0)
            else:
                free = _unclaimed(node, profile, resource, snapshot, claims)
            found[holding.zone, profile, resource] += max(free, 0)
    return found


def _unclaimed(node: Node, profile: str, device_class: str, snapshot: Snapshot, claims: DeviceClaims) -> int:
    spec = snapshot.known_profiles[profile]
    resource = next(r for r in spec.dynamic_resources if r.device_class_name == device_class)
    return claims.free(node, Claimed(spec, resource))
