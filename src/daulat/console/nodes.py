"""Nodes by zone of record, with the accelerators on each; and the nodes that stand in no zone, by the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daulat.api.names import ELIGIBLE, eligible_label
from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
from daulat.facts.unknown import Unknown
from daulat.reconcile.inventory.accelerators import Accelerators
from daulat.reconcile.inventory.free import FreeDevices
from daulat.status.view import AcceleratorRow


@dataclass(frozen=True)
class NodeRow:
    """One node of a zone."""

    name: str
    ready: bool
    schedulable: bool
    accelerators: tuple[AcceleratorRow, ...]
    eligible: tuple[str, ...]
    """The policies for which the node is certified: by its labels, which the operator writes."""


@dataclass(frozen=True)
class Outside:
    """Nodes that stand in no zone of record for one reason."""

    reason: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Nodes:
    """Every node that was read."""

    by_zone: Mapping[str, tuple[NodeRow, ...]]
    outside: tuple[Outside, ...]
    """The most nodes first."""


def nodes(snapshot: Snapshot, *, count_free: bool) -> Nodes:
    """Return the nodes by name. ``count_free`` says whether pods and claims were read, without which free devices aren't known."""
    inventory, free = Accelerators.of(snapshot), FreeDevices(snapshot) if count_free else None
    labels = {eligible_label(name): name for name in sorted(snapshot.policies)}
    by_zone: dict[str, list[NodeRow]] = {}
    outside: dict[str, list[str]] = {}
    for name, node in sorted(snapshot.nodes.items()):
        if isinstance(node, Unknown):
            outside.setdefault(node.reason, []).append(name)
            continue
        holding = inventory.holding(node, snapshot)
        if not holding.zone:
            outside.setdefault(holding.conflict, []).append(name)
            continue
        accelerators = tuple(_accelerator(node, free, *each) for each in sorted(holding.devices))
        eligible = tuple(policy for label, policy in labels.items() if node.labels.get(label) == ELIGIBLE)
        row = NodeRow(name, node.ready, node.schedulable, accelerators, eligible)
        by_zone.setdefault(holding.zone, []).append(row)
    ordered = sorted(outside.items(), key=lambda item: (-len(item[1]), item[0]))
    return Nodes(
        {zone: tuple(rows) for zone, rows in by_zone.items()},
        tuple(Outside(why, tuple(names)) for why, names in ordered),
    )


def _accelerator(node: Node, free: FreeDevices | None, profile: str, resource: str, count: int) -> AcceleratorRow:
    return AcceleratorRow(profile, resource, count, None if free is None else free.on(node, profile, resource, count))
