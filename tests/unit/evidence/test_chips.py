"""What is recorded of chips: as the operator's status has it, read again only where it differs."""

from __future__ import annotations

from typing import Any

from daulat.evidence.chips import Looks
from daulat.evidence.subject import Present, Subject
from daulat.reconcile.registry import reconcile
from tests.unit.reconcile.inventory.test_chips import DAY, NOW, REF, world
from tests.unit.world import World, device, offered


def decided(here: World, now: float) -> World:
    """Let the operator write the status."""
    return here.with_status_of(reconcile(REF, here.snapshot(), now).effects)


def looked(here: World) -> list[Present]:
    return list(Looks().everything(here.snapshot()))


def chip(here: World, name: str) -> dict[str, Any]:
    (found,) = [p.record.data() for p in looked(here) if p.subject == Subject("Chip", f"uid-delivered/{name}")]
    return dict(found)


def test_an_inventory_is_recorded_with_its_counts_and_the_digest_of_its_list() -> None:
    here = decided(world(offered("n1", device("1"), device("2"))), NOW)
    first, *_ = looked(here)
    data = first.record.data()
    assert first.subject == Subject("AcceleratorInventory", "uid-delivered")
    assert (data["accounted"], data["declared"], data["seen"]) == ("True/ChipsAccounted", 2, 2)
    assert "gone" not in data
    assert b"STA-2026-0417" in first.facts[0]


def test_a_chip_is_recorded_with_its_permit_and_its_place() -> None:
    here = decided(world(offered("n1", device("1"), device("2"))), NOW)
    assert chip(here, "GPU-1") == {
        "name": "GPU-1",
        "uid": "uid-delivered/GPU-1",
        "inventory": "delivered",
        "delivery": "DN-1",
        "permit": "STA-2026-0417",
        "node": "n1",
        "zone": "cyberjaya-1",
        "since": "2027-01-15T08:00:00Z",
    }
    found = next(p for p in looked(here) if p.subject.kind == "Chip")
    assert found.references == {"zoneEntry": Subject("SovereignZone", "uid-cyberjaya-1")}


def test_a_chip_abroad_and_one_that_is_gone_are_recorded_as_such() -> None:
    here = decided(world(offered("n1", device("1"), device("2"))), NOW)
    here.slices = [offered("sg1", device("2"))]
    decided(here, NOW + DAY)
    assert (chip(here, "GPU-2")["zone"], chip(here, "GPU-2")["outside"]) == ("singapore-1", True)
    assert chip(here, "GPU-1")["absentSince"] == "2027-01-16T08:00:00Z"
    decided(here, NOW + 5 * DAY)
    assert (chip(here, "GPU-1")["gone"], chip(here, "GPU-1")["node"]) == (True, "n1")


def test_an_inventory_is_read_again_only_where_it_differs() -> None:
    here = decided(world(offered("n1", device("1"), device("2"))), NOW)
    store, looks = here.store(), Looks()
    assert len(list(looks.changed(store.snapshot()))) == 3
    assert list(looks.changed(store.snapshot())) == []
    here.slices = [offered("n1", device("1"))]
    decided(here, NOW + DAY)
    store.apply("AcceleratorInventory", here.inventories[0])
    assert len(list(looks.changed(store.snapshot()))) == 3
    assert len(list(looks.everything(store.snapshot()))) == 3


def test_chips_of_an_inventory_that_cant_be_read_are_still_where_they_were() -> None:
    here = decided(world(offered("n1", device("1"), device("2"))), NOW)
    here.inventories[0]["spec"]["goneAfter"] = "soon"
    assert [p.subject.uid for p in looked(here)] == ["uid-delivered/GPU-1", "uid-delivered/GPU-2"]
