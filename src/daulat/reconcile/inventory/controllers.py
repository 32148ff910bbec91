"""What wakes the reconcilers of nodes, zones and accelerator profiles."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.api.names import NODE_PREFIX
from daulat.facts.change import Change
from daulat.facts.declared import Declared
from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.placement.certify import former_labels
from daulat.placement.evidence import Statements
from daulat.placement.sightings import shows_otherwise
from daulat.placement.zoning import zone_of_record
from daulat.reconcile.controller import Controller, itself

from .accelerators import Accelerators, Holding
from .attestations import reconcile_attestation
from .changes import nodes_concerned
from .chips import reconcile_inventory
from .nodes import reconcile_node
from .zones import reconcile_profile, reconcile_zone


def _nodes(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return (Ref("Node", "", name) for name in nodes_concerned(change, snapshot))


def _node_and_twins(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the node, and others that report its system UUID."""
    yield change.ref
    yield from _nodes(change, snapshot)


def _pod_of_former_policy(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the nodes that keep the label of a policy that is gone for a pod that was pinned to it."""
    pins = change.before.pins if change.before is not None else ()
    if any(pin not in snapshot.pins and pin.removeprefix(NODE_PREFIX) not in snapshot.policies for pin in pins):
        yield from (Ref("Node", "", name) for name in sorted(former_labels(snapshot)))


def _counted_otherwise(change: Change, snapshot: Snapshot) -> tuple[Holding, Holding] | None:
    counts = Accelerators.of(snapshot)
    before, after = (
        counts.holding(side, snapshot) if isinstance(side, Node) else Holding()
        for side in (change.before, change.after)
    )
    return (before, after) if before != after else None


def _zones_of_node(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if found := _counted_otherwise(change, snapshot):
        names = {name for holding in found for name in holding.zones}
        yield from (Ref("SovereignZone", "", name) for name in sorted(names))


def _profiles_of_node(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if found := _counted_otherwise(change, snapshot):
        names = {name for holding in found for name in holding.profiles}
        yield from (Ref("AcceleratorProfile", "", name) for name in sorted(names))


def _all_zones(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return (Ref("SovereignZone", "", name) for name in sorted(snapshot.zones))


def _all_profiles(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return (Ref("AcceleratorProfile", "", name) for name in sorted(snapshot.profiles))


def _all_attestations(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return (Ref("NodeAttestation", "", name) for name in sorted(snapshot.attestations))


def _attestations_under(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake them where a policy comes to judge evidence otherwise."""
    read = [side.spec.zones if isinstance(side, Declared) else None for side in change.sides]
    if len(read) == 1 or read[0] != read[1]:
        yield from _all_attestations(change, snapshot)


def _attestations_of_node(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake those about a node that came, went, or reports another identity, zone or region."""
    sides = [side for side in change.sides if isinstance(side, Node)]
    if len(sides) == 2 and _shows(sides[0]) == _shows(sides[1]):
        return
    names = {a.name for side in sides for a, _ in Statements.of(snapshot).about(side, snapshot)}
    yield from (Ref("NodeAttestation", "", name) for name in sorted(names))


def _shows(node: Node) -> tuple[object, ...]:
    return node.system_uuid, node.uid, node.labels


def _attestations_of_nodes(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if not snapshot.attestations:
        return
    for name in nodes_concerned(change, snapshot):
        node = snapshot.nodes.get(name)
        if isinstance(node, Node):
            yield from (Ref("NodeAttestation", "", a.name) for a, _ in Statements.of(snapshot).about(node, snapshot))


def _all_inventories(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    # Each says which chips no other one declares.
    return (Ref("AcceleratorInventory", "", name) for name in sorted(snapshot.inventories))


def _inventories_of_slice(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return _all_inventories(change, snapshot) if snapshot.inventories and shows_otherwise(change) else ()


def _inventories_of_node(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if not snapshot.inventories:
        return ()
    before, after = (
        (side.ready, zone_of_record(side, snapshot)) if isinstance(side, Node) else None
        for side in (change.before, change.after)
    )
    return _all_inventories(change, snapshot) if before != after else ()


NODES = Controller(
    kind="Node",
    reconcile=reconcile_node,
    wakes={
        "Node": _node_and_twins,
        "NodeAttestation": _nodes,
        "SovereignZone": _nodes,
        "AcceleratorProfile": _nodes,
        "SovereigntyPolicy": _nodes,
        "ResourceSlice": _nodes,
        "Pod": _pod_of_former_policy,
    },
    keys=lambda snapshot: (Ref("Node", "", name) for name in sorted(snapshot.nodes)),
    is_due=lambda key, snapshot: bool(reconcile_node(key, snapshot, 0.0).apply),
    # Labels of record are what everything else waits for.
    priority=lambda key, snapshot: 0,
)
ZONES = Controller(
    kind="SovereignZone",
    reconcile=reconcile_zone,
    # Zones that select the same nodes are in conflict, so a zone concerns all others; and there are few.
    wakes={
        "SovereignZone": _all_zones,
        "Node": _zones_of_node,
        "AcceleratorProfile": _all_zones,
        "ResourceSlice": _all_zones,
    },
    keys=lambda snapshot: (Ref("SovereignZone", "", name) for name in sorted(snapshot.zones)),
    settle={"Node": 1.0, "ResourceSlice": 1.0},
)
ATTESTATIONS = Controller(
    kind="NodeAttestation",
    reconcile=reconcile_attestation,
    wakes={
        "NodeAttestation": itself,
        "SovereigntyPolicy": _attestations_under,
        "SovereignZone": _all_attestations,
        "Node": _attestations_of_node,
        "ResourceSlice": _attestations_of_nodes,
    },
    keys=lambda snapshot: (Ref("NodeAttestation", "", name) for name in sorted(snapshot.attestations)),
    # It is about what the others have decided.
    priority=lambda key, snapshot: 3,
    settle={"Node": 1.0, "ResourceSlice": 1.0, "SovereignZone": 1.0, "SovereigntyPolicy": 1.0},
)
PROFILES = Controller(
    kind="AcceleratorProfile",
    reconcile=reconcile_profile,
    # Which of several profiles a device belongs to depends on all of them.
    wakes={"AcceleratorProfile": _all_profiles, "Node": _profiles_of_node, "ResourceSlice": _all_profiles},
    keys=lambda snapshot: (Ref("AcceleratorProfile", "", name) for name in sorted(snapshot.profiles)),
    settle={"Node": 1.0, "ResourceSlice": 1.0, "AcceleratorProfile": 1.0},
)
INVENTORIES = Controller(
    kind="AcceleratorInventory",
    reconcile=reconcile_inventory,
    wakes={
        "AcceleratorInventory": _all_inventories,
        "ResourceSlice": _inventories_of_slice,
        "Node": _inventories_of_node,
        "SovereignZone": _all_inventories,
    },
    keys=lambda snapshot: (Ref("AcceleratorInventory", "", name) for name in sorted(snapshot.inventories)),
    # A status has the place of every chip: a rack that restarts is one write, not one a node.
    settle={"Node": 5.0, "ResourceSlice": 5.0},
)
