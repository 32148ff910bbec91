"""What holds now of AcceleratorInventories and their chips, to be recorded.

It is read from the statuses that the operator writes: the recorder sees no ResourceSlices, and an entry says what was decided on.
"""

from __future__ import annotations

from collections.abc import Iterator

from daulat.api import reasons
from daulat.api.inventory import AcceleratorInventoryStatus, ChipPlace, Delivery
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.snapshot import Inventory, Snapshot
from daulat.ledger.entry import canonical, digest
from daulat.placement.chips import Place, outside

from .chiprecords import ChipRecorded, InventoryRecorded
from .subject import Present, Subject

INVENTORY, CHIP = "AcceleratorInventory", "Chip"
Read = Inventory | Unparsable[AcceleratorInventoryStatus]


class Looks:
    """Which inventories were looked at: a status of thousands of chips is read only where it differs."""

    def __init__(self) -> None:
        self._seen: dict[str, Read] = {}

    def changed(self, snapshot: Snapshot) -> Iterator[Present]:
        """Yield what holds of the inventories that differ since they were looked at."""
        for name, inventory in sorted(snapshot.inventories.items()):
            if self._seen.get(name) is not inventory:
                self._seen[name] = inventory
                yield from _presents(inventory, snapshot)

    def everything(self, snapshot: Snapshot) -> Iterator[Present]:
        """Yield what holds of all inventories."""
        self._seen = {}
        yield from self.changed(snapshot)


def _presents(inventory: Read, snapshot: Snapshot) -> Iterator[Present]:
    deliveries: dict[str, Delivery] = {}
    if isinstance(inventory, Declared):
        yield _inventory(inventory)
        deliveries = {entry.partition(",")[0]: d for d in inventory.spec.deliveries for entry in d.chips}
    for place in inventory.status.places:
        for chip in place.chips:
            yield _chip(chip, place, deliveries.get(chip), inventory, snapshot)


def _inventory(inventory: Inventory) -> Present:
    status = inventory.status
    facts = canonical(inventory.spec.model_dump(mode="json", by_alias=True, exclude_none=True))
    accounted = status.condition(reasons.ACCOUNTED)
    record = InventoryRecorded(
        name=inventory.name,
        uid=inventory.uid,
        generation=inventory.generation,
        accounted=f"{accounted.status}/{accounted.reason}" if accounted is not None else "",
        declared=status.declared or 0,
        seen=status.seen or 0,
        missing=status.missing or 0,
        gone=status.gone or 0,
        awaited=status.awaited or 0,
        unobserved=status.unobserved or 0,
        outside=status.outside or 0,
        ambiguous=status.ambiguous or 0,
        undeclared=status.undeclared or 0,
        spec=digest(facts),
    )
    return Present(Subject(INVENTORY, inventory.uid), record, facts=(facts,))


def _chip(chip: str, place: ChipPlace, delivery: Delivery | None, inventory: Read, snapshot: Snapshot) -> Present:
    uid = f"{inventory.uid}/{chip}"
    forbidden = False
    if isinstance(inventory, Declared) and delivery is not None:
        forbidden = bool(outside(Place(place.node, place.zone), "", delivery, inventory.spec, snapshot))
    record = ChipRecorded(
        name=chip,
        uid=uid,
        inventory=inventory.name,
        delivery=delivery.name if delivery is not None else "",
        permit=delivery.permit.reference if delivery is not None and delivery.permit is not None else "",
        node=place.node,
        zone=place.zone,
        since=place.since,
        absent_since=place.absent_since or "",
        gone=bool(place.gone),
        outside=forbidden,
    )
    zone = snapshot.known_zones.get(place.zone)
    references: dict[str, Subject | tuple[Subject, ...]] = {}
    if zone is not None:
        references["zoneEntry"] = Subject("SovereignZone", zone.uid)
    return Present(Subject(CHIP, uid), record, references)
