"""What a schema can't find in AcceleratorInventories: ids that are none, chips declared twice, zones that don't exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daulat.api.inventory import AcceleratorInventorySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.facts.chips import canonical, usable

_Found = tuple[str, str, str]
"""The inventory, the path of the field, and the sentence."""


def chip_mistakes(
    inventories: Mapping[str, AcceleratorInventorySpec], zones: Mapping[str, SovereignZoneSpec]
) -> Iterator[_Found]:
    """Yield what is wrong. Without any zone nothing is known of which there are."""
    seen: dict[str, tuple[str, str]] = {}
    for name, inventory in sorted(inventories.items()):
        yield from ((name, "spec.zones", text) for text in _unknown(inventory.zones, zones))
        for number, delivery in enumerate(inventory.deliveries):
            path = f"spec.deliveries[{number}]"
            yield from ((name, f"{path}.zones", text) for text in _unknown(delivery.zones, zones))
            for at, entry in enumerate(delivery.chips):
                field = f"{path}.chips[{at}]"
                for chip in entry.split(","):
                    if not usable(chip):
                        yield name, field, f'"{chip}" identifies no chip'
                        continue
                    first = seen.setdefault(canonical(chip), (name, field))
                    if first != (name, field):
                        where = first[1] if first[0] == name else f"{first[1]} of AcceleratorInventory {first[0]}"
                        yield name, field, f"id {chip} is declared in {where} already"


def _unknown(named: tuple[str, ...], zones: Mapping[str, SovereignZoneSpec]) -> Iterator[str]:
    for zone in named:
        if zones and zone not in zones:
            yield f'SovereignZone "{zone}" not found'
