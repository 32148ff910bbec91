"""Decides each node's zone of record: one zone, none (a decision), or Unknown where facts that are needed can't be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daulat.admission.zones import rejects
from daulat.api.names import ZONE_LABEL
from daulat.facts.change import Change
from daulat.facts.declared import Unparsable
from daulat.facts.derived import DerivedFact
from daulat.facts.node import REGION, Node
from daulat.facts.snapshot import Policy, Snapshot, Zone
from daulat.facts.unknown import Unknown


@dataclass(frozen=True)
class NoZone:
    """The decision that a node has no zone of record, and the zones that select it all the same."""

    reason: str
    claimed_by: tuple[str, ...] = ()


ZoneOfRecord = Zone | NoZone | Unknown


class Zoning(DerivedFact):
    """The zone of record of every node. A node's entry is kept with the fact that it is of, and dropped with the node."""

    depends_on = frozenset({"SovereignZone", "Node"})

    def __init__(self) -> None:
        self._found: dict[str, tuple[Node, ZoneOfRecord]] = {}

    def of_node(self, node: Node, snapshot: Snapshot) -> ZoneOfRecord:
        """Return the node's zone of record."""
        known = self._found.get(node.name)
        if known is not None and known[0] is node:
            return known[1]
        found = _zone_of_record(node, snapshot)
        if snapshot.nodes.get(node.name) is node:
            self._found[node.name] = node, found
        return found

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Drop the nodes that the zone selected, selects, or is the label of record of, and nodes that are gone."""
        if change.ref.kind == "Node":
            if change.after is None:
                self._found.pop(change.ref.name, None)
            return True
        if any(isinstance(side, Unparsable) for side in change.sides):
            return False  # It may claim any node.
        for name in touched(change, {name: node for name, (node, _) in self._found.items()}):
            del self._found[name]
        return True


def touched(change: Change, nodes: Mapping[str, Node]) -> list[str]:
    """Return the names of the nodes whose zone of record may differ after a change of a zone that can be read."""
    selectors = [zone.spec.node_selector for zone in change.sides]
    return [
        name
        for name, node in nodes.items()
        if node.labels.get(ZONE_LABEL) == change.ref.name or any(s.matches(node.labels) for s in selectors)
    ]


def zone_of_record(node: Node | Unknown, snapshot: Snapshot) -> ZoneOfRecord:
    """Return the one zone that the node stands in, or why there is none."""
    return node if isinstance(node, Unknown) else Zoning.of(snapshot).of_node(node, snapshot)


def _zone_of_record(node: Node, snapshot: Snapshot) -> ZoneOfRecord:
    recorded = node.labels.get(ZONE_LABEL, "")
    written = snapshot.zones.get(recorded)
    if isinstance(written, Unparsable):
        return Unknown(f"zone {written.name} can't be read: {written.reason}")
    selecting = [z for z in snapshot.known_zones.values() if z.spec.node_selector.matches(node.labels)]
    if not selecting:
        if recorded and written is None:
            # Deleting an object isn't a decision about what runs: it may be a mistake, or half of a replacement.
            return Unknown(f"is certified for zone {recorded}, which doesn't exist any more")
        return NoZone("stands in no zone of record")
    names = tuple(z.name for z in selecting)
    if len(selecting) > 1:
        return NoZone(f"is claimed by zones {' and '.join(names)}", names)
    (zone,) = selecting
    unreadable = [z for z in snapshot.zones.values() if isinstance(z, Unparsable)]
    if unreadable and recorded != zone.name:
        # It may claim the node as well: only what was certified before stays.
        return Unknown(f"may be claimed by zone {unreadable[0].name} too, which can't be read: {unreadable[0].reason}")
    region = node.labels.get(REGION)
    if zone.spec.regions and region not in zone.spec.regions:
        return NoZone(
            f"contradicts zone {zone.name}: its region is {region or 'missing'}, the record says {', '.join(zone.spec.regions)}",
            names,
        )
    return zone


def verdicts(policy: Policy, snapshot: Snapshot) -> dict[str, str | None]:
    """Return for each zone that could be read, by name, why the policy doesn't accept it; None where it does."""
    return {name: rejects(policy.spec.zones, name, zone.spec) for name, zone in snapshot.known_zones.items()}
