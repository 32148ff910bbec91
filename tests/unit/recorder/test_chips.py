"""Chips in the recorder's log: each change of a place once, and nothing twice."""

from __future__ import annotations

from typing import Any

from daulat.ledger.verification import verify
from tests.unit.ledger.logs import TRUST
from tests.unit.recorder.test_recorder import Cluster
from tests.unit.world import inventory

SINCE = "2027-01-15T08:00:00Z"


def place(node: str, *chips: str, zone: str = "cyberjaya-1", **more: Any) -> dict[str, Any]:
    return {"node": node, "zone": zone, "since": SINCE, "chips": list(chips), **more}


def put(cluster: Cluster, *places: dict[str, Any]) -> None:
    """Let the operator have decided where the two declared chips are."""
    raw = inventory("delivered", "GPU-1", "GPU-2")
    cluster.put("AcceleratorInventory", {**raw, "status": {"declared": 2, "seen": 2, "places": list(places)}})


def chips(cluster: Cluster, *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(e.get(field) for field in fields) for e in cluster.of("ChipRecorded")]


def begun() -> Cluster:
    cluster = Cluster()
    cluster.begin()
    put(cluster, place("a1", "GPU-1", "GPU-2"))
    cluster.step()
    return cluster


def test_a_chip_that_moves_is_one_entry_with_its_zones_entry() -> None:
    cluster = begun()
    put(cluster, place("a1", "GPU-1"), place("a2", "GPU-2"))
    cluster.step()
    assert chips(cluster, "name", "node", "permit") == [
        ("GPU-1", "a1", "STA-2026-0417"),
        ("GPU-2", "a1", "STA-2026-0417"),
        ("GPU-2", "a2", "STA-2026-0417"),
    ]
    found = cluster.of("ChipRecorded")[-1]
    assert cluster.entries()[found["zoneEntry"]]["country"] == "MY"
    assert verify(cluster.disk, TRUST).findings == ()


def test_a_status_that_says_the_same_is_no_entry_and_a_restart_repeats_nothing() -> None:
    cluster = begun()
    before = len(cluster.entries())
    put(cluster, place("a1", "GPU-2", "GPU-1"))
    cluster.step()
    cluster.restart()
    cluster.begin()
    cluster.step(whole=True)
    assert len(cluster.entries()) == before


def test_an_absence_that_lasts_too_long_is_two_entries_and_a_return_a_third() -> None:
    cluster = begun()
    absences: list[dict[str, Any]] = [{"absentSince": SINCE, "gone": False}, {"absentSince": SINCE, "gone": True}, {}]
    for more in absences:
        put(cluster, place("a1", "GPU-1"), place("a1", "GPU-2", **more))
        cluster.step()
    assert chips(cluster, "name", "absentSince", "gone")[1:] == [
        ("GPU-2", None, None),
        ("GPU-2", SINCE, None),
        ("GPU-2", SINCE, True),
        ("GPU-2", None, None),
    ]


def test_what_is_taken_off_the_list_is_over_and_so_is_all_of_an_inventory_that_is_deleted() -> None:
    cluster = begun()
    put(cluster, place("a1", "GPU-1"))
    cluster.step(whole=True)
    assert [(e["of"], e["name"]) for e in cluster.of("Gone")] == [("Chip", "GPU-2")]
    cluster.delete("AcceleratorInventory", "delivered")
    cluster.step(whole=True)
    assert sorted((e["of"], e["name"]) for e in cluster.of("Gone")) == [
        ("AcceleratorInventory", "delivered"),
        ("Chip", "GPU-1"),
        ("Chip", "GPU-2"),
    ]


def test_chips_arent_over_while_inventories_cant_be_listed() -> None:
    cluster = begun()
    cluster.restart()
    cluster.objects.pop(("AcceleratorInventory", "delivered"))
    cluster.restart()
    cluster.store.record_unlisted(frozenset({"AcceleratorInventory"}))
    cluster.begin()
    assert cluster.of("Gone") == []
