"""Decides each node's zone of record. A node in no zone, in two, or against the record is Unknown."""

from __future__ import annotations

from daulat.api.names import ZONE_LABEL
from daulat.facts.declared import Malformed
from daulat.facts.node import REGION, Node
from daulat.facts.snapshot import Snapshot, Zone
from daulat.facts.unknown import Unknown


def zone_of_record(node: Node | Unknown, snapshot: Snapshot) -> Zone | Unknown:
    """Return the one zone that the node stands in, or why there is none."""
    memo: dict[Node | Unknown, Zone | Unknown] = snapshot.memo.setdefault("zone of record", {})
    if node not in memo:
        memo[node] = _zone_of_record(node, snapshot)
    return memo[node]


def _zone_of_record(node: Node | Unknown, snapshot: Snapshot) -> Zone | Unknown:
    if isinstance(node, Unknown):
        return node
    written = snapshot.zones.get(node.labels.get(ZONE_LABEL, ""))
    if isinstance(written, Malformed):
        return Unknown(f"zone {written.name} can't be read: {written.reason}")
    selecting = [z for z in snapshot.known_zones.values() if z.spec.node_selector.matches(node.labels)]
    if not selecting:
        return Unknown("stands in no zone of record")
    if len(selecting) > 1:
        return Unknown(f"is claimed by zones {' and '.join(z.name for z in selecting)}")
    (zone,) = selecting
    unreadable = [z for z in snapshot.zones.values() if isinstance(z, Malformed)]
    if unreadable and node.labels.get(ZONE_LABEL) != zone.name:
        # It may claim the node as well: only what was certified before stays.
        return Unknown(f"may be claimed by zone {unreadable[0].name} too, which can't be read: {unreadable[0].reason}")
    region = node.labels.get(REGION)
    if zone.spec.regions and region not in zone.spec.regions:
        return Unknown(
            f"contradicts zone {zone.name}: its region is {region or 'missing'}, the record says {', '.join(zone.spec.regions)}"
        )
    return zone


def claims(node: Node | Unknown, zone: Zone) -> bool:
    """Say whether the zone selects the node, alone or not."""
    return isinstance(node, Node) and zone.spec.node_selector.matches(node.labels)
