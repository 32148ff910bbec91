"""Rows for zones, with the accelerators that stand in them: how many there are, and how many no pod holds."""

from __future__ import annotations

from collections import Counter

from daulat.api import reasons
from daulat.facts.declared import Declared
from daulat.facts.snapshot import Snapshot, Zone
from daulat.reconcile.inventory.accelerators import Accelerators
from daulat.reconcile.inventory.free import Devices, free_devices

from .facts import Facts
from .standing import standing, warnings
from .view import AcceleratorRow, ZoneRow


def zones(facts: Facts) -> tuple[ZoneRow, ...]:
    """Return a row for each SovereignZone, the most urgent first.

    Counts are worked out from the nodes where these were read, and are those of the zone's status otherwise.
    """
    counted = facts.has("Node", "AcceleratorProfile", "ResourceSlice")
    free = free_devices(facts.snapshot) if counted and facts.has("Pod", "ResourceClaim") else None
    found = []
    for zone in facts.snapshot.zones.values():
        stands, status = standing(zone, facts.now), zone.status
        nodes, conflicts = status.nodes, status.conflicting_nodes
        accelerators = tuple(AcceleratorRow(a.profile, a.resource, a.devices, None) for a in status.accelerators)
        if counted and isinstance(zone, Declared):
            nodes, conflicts, accelerators = _counts(zone, facts.snapshot, free)
        row = ZoneRow(
            name=zone.name,
            state=stands.state,
            country=zone.spec.country if isinstance(zone, Declared) else "",
            operator=zone.spec.operator.legal_name if isinstance(zone, Declared) else "",
            nodes=nodes,
            conflicting_nodes=conflicts,
            devices=sum(a.devices for a in accelerators) if nodes is not None else None,
            free_devices=_total(accelerators) if nodes is not None else None,
            accelerators=accelerators,
            reason=stands.reason,
            message=stands.message,
            seconds_in_state=stands.seconds,
            warnings=warnings(status, reasons.WEAK_EVIDENCE),
        )
        found.append(row)
    return tuple(sorted(found, key=lambda row: (row.state.rank, row.name)))


def _counts(
    zone: Zone, snapshot: Snapshot, free: Counter[Devices] | None
) -> tuple[int, int, tuple[AcceleratorRow, ...]]:
    """Return how many nodes are in the zone, how many are in conflict, and the accelerators."""
    found = Accelerators.of(snapshot).in_zone(zone.name, snapshot)
    accelerators = tuple(
        AcceleratorRow(profile, resource, count, None if free is None else free[zone.name, profile, resource])
        for (profile, resource), count in sorted(found.devices.items())
        if count
    )
    return found.nodes, len(found.conflicts), accelerators


def _total(accelerators: tuple[AcceleratorRow, ...]) -> int | None:
    free = [a.free for a in accelerators if a.free is not None]
    return sum(free) if len(free) == len(accelerators) else None
