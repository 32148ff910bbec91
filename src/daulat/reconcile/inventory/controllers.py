"""What wakes the reconcilers of nodes, zones and accelerator profiles."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.api.names import NODE_PREFIX
from daulat.facts.change import Change
from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.placement.certify import former_labels
from daulat.placement.sightings import shows_otherwise
from daulat.placement.zoning import zone_of_record
from daulat.reconcile.controller import Controller, itself

from .accelerators import Accelerators, Holding
from .changes import nodes_concerned
from .chips import reconcile_inventory
from .nodes import reconcile_node
from .zones import reconcile_profile, reconcile_zone


def _nodes(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return (Ref("Node", "", name) for name in nodes_concerned(change, snapshot))


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
        "Node": itself,
        "SovereignZone": _nodes,
        "AcceleratorProfile": _nodes,
        "SovereigntyPolicy": _nodes,
        "ResourceSlice": _nodes,
        "Pod": _pod_of_former_policy,
    },
    keys=lambda snapshot: (Ref("Node", "", name) for name in sorted(snapshot.nodes)),
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
