"""AcceleratorInventories: where chips are, since when, and what doesn't add up."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.kinds import KINDS
from daulat.kube.ref import Ref
from daulat.kube.resources import BY_KIND
from daulat.reconcile.registry import reconcile
from daulat.reconcile.result import ApplyStatus, EmitEvent, Result
from tests.unit.world import SITE, Raw, World, device, inventory, node, offered, zone

NOW = 1_800_000_000.0
DAY = 86400.0
REF = Ref("AcceleratorInventory", "", "delivered")
A, B = "GPU-1", "GPU-2"


def world(*slices: Raw, inventories: list[Raw] | None = None, **more: Any) -> World:
    """Return two nodes at home, one abroad, and the chips A and B declared."""
    abroad = zone("singapore-1", country="SG")
    nodes = [node("n1"), node("n2"), node("sg1", site="singapore-1")]
    given = [inventory("delivered", A, B)] if inventories is None else inventories
    return World(nodes=nodes, zones=[zone(), abroad], slices=list(slices), inventories=given, **more)


def run(world: World, now: float = NOW, ref: Ref = REF) -> Result:
    """Reconcile, and let the API server take the status."""
    result = reconcile(ref, world.snapshot(), now)
    world.with_status_of(result.effects)
    return result


def status(world: World, name: str = "delivered") -> dict[str, Any]:
    (found,) = [raw["status"] for raw in world.inventories if raw["metadata"]["name"] == name]
    return dict(found)


def told(world: World, type_: str = "Accounted") -> tuple[str, str]:
    found = next(c for c in status(world)["conditions"] if c["type"] == type_)
    return found["status"], found["reason"]


def message(world: World) -> str:
    return str(next(c["message"] for c in status(world)["conditions"] if c["type"] == "Accounted"))


def events(result: Result) -> list[str]:
    return [e.reason for e in result.effects if isinstance(e, EmitEvent)]


def test_chips_that_are_seen_where_they_may_be_are_accounted_for() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    assert told(here) == told(here, "Ready") == ("True", "ChipsAccounted")
    found = status(here)
    assert (found["declared"], found["seen"], found["undeclared"]) == (2, 2, 0)
    assert found["places"] == [{"node": "n1", "zone": "cyberjaya-1", "since": "2027-01-15T08:00:00Z", "chips": [A, B]}]


def test_the_same_facts_write_nothing_again() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    assert run(here, NOW + 5 * DAY).effects == ()


def test_a_chip_that_moved_is_told_with_both_places() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    here.slices = [offered("n1", device("1")), offered("n2", device("2"))]
    result = run(here, NOW + DAY)
    assert events(result) == ["ChipsMoved"]
    assert result.events[0].type == "Normal"
    assert status(here)["moves"] == [
        {
            "chip": B,
            "fromNode": "n1",
            "fromZone": "cyberjaya-1",
            "toNode": "n2",
            "toZone": "cyberjaya-1",
            "at": "2027-01-16T08:00:00Z",
        }
    ]
    assert told(here) == ("True", "ChipsAccounted")
    assert [p["since"] for p in status(here)["places"]] == ["2027-01-15T08:00:00Z", "2027-01-16T08:00:00Z"]


def test_a_chip_that_left_its_zone_is_outside() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    here.slices = [offered("n1", device("1")), offered("sg1", device("2"))]
    result = run(here)
    assert told(here) == ("False", "ChipsOutside")
    assert message(here) == (
        "1 of 2 chips: GPU-2 is on node sg1 in zone singapore-1 (SG); permit STA-2026-0417 allows zones cyberjaya-1"
    )
    assert [(e.reason, e.type) for e in result.events] == [("ChipsOutside", "Warning"), ("ChipsMoved", "Warning")]


def test_a_chip_may_be_limited_to_a_country_by_its_delivery() -> None:
    one = inventory("delivered", A)
    one["spec"] = {"deliveries": [{**one["spec"]["deliveries"][0], "countries": ["MY"]}]}
    here = world(offered("sg1", device("1")), inventories=[one])
    run(here)
    assert told(here) == ("False", "ChipsOutside")
    assert message(here).endswith("(SG); permit STA-2026-0417 allows countries MY")


def test_a_node_that_changes_its_zone_takes_its_chips_along() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    here.nodes[0] = node("n1", site="singapore-1")
    result = run(here)
    assert "ChipsMoved" in events(result)
    assert status(here)["moves"][0]["toZone"] == "singapore-1"
    assert told(here) == ("False", "ChipsOutside")


def test_a_chip_on_a_node_without_a_zone_is_outside() -> None:
    here = world(offered("n1", device("1"), device("2")))
    here.nodes[0] = node("n1", site="")
    run(here)
    assert told(here) == ("False", "ChipsOutside")
    assert "is on node n1, which stands in no zone of record" in message(here)


def test_where_the_zone_cant_be_decided_the_remembered_one_holds() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    # The zone's object is gone, and the node is still certified for it.
    here.nodes[0] = node("n1", labels={"daulat.node-restriction.kubernetes.io/zone": "cyberjaya-1"})
    here.zones = here.zones[1:]
    result = run(here)
    assert events(result) == []
    assert status(here)["places"][0]["zone"] == "cyberjaya-1"
    assert told(here) == ("True", "ChipsAccounted")


def test_a_chip_that_isnt_seen_counts_as_gone_after_the_time_allowed_alone() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    here.slices = [offered("n1", device("1"))]
    result = run(here, NOW + DAY)
    assert told(here) == ("True", "ChipsNotSeen")
    assert result.requeue_after == 3600.0
    assert events(result) == ["ChipsNotSeen"]
    assert run(here, NOW + 3.9 * DAY).effects == ()
    result = run(here, NOW + 4 * DAY)
    assert told(here) == ("False", "ChipsGone")
    assert message(here) == (
        "1 of 2 chips: GPU-2 isn't seen since 2027-01-16T08:00:00Z: nothing shows it; it was last on node n1 in zone cyberjaya-1"
    )
    assert events(result) == ["ChipsGone", "ChipsLost"]
    assert events(run(here, NOW + 5 * DAY)) == []


def test_a_chip_that_comes_back_keeps_no_trace_of_its_absence_and_is_told() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    here.slices = [offered("n1", device("1"))]
    run(here, NOW + DAY)
    run(here, NOW + 5 * DAY)
    here.slices = [offered("n1", device("1"), device("2"))]
    result = run(here, NOW + 6 * DAY)
    assert events(result) == ["ChipsAccounted", "ChipsFound"]
    assert status(here)["places"] == [
        {"node": "n1", "zone": "cyberjaya-1", "since": "2027-01-15T08:00:00Z", "chips": [A, B]}
    ]


@pytest.mark.parametrize("gone", [False, True], ids=["not ready", "deleted"])
def test_what_is_published_for_a_node_that_is_down_shows_nothing_of_now(gone: bool) -> None:
    """The ResourceSlice stays: a rack that was carried away looks the same."""
    here = world(offered("n1", device("1")), offered("n2", device("2")))
    run(here)
    here.nodes[1:2] = [] if gone else [node("n2", ready=False)]
    run(here, NOW + DAY)
    assert told(here) == ("True", "ChipsNotSeen")
    run(here, NOW + 4 * DAY)
    assert told(here) == ("False", "ChipsGone")
    assert ("node n2 isn't in the cluster" if gone else "node n2 isn't Ready") in message(here)


def test_chips_that_were_never_seen_are_awaited_and_then_gone() -> None:
    received = inventory("delivered", A, B)
    received["spec"]["deliveries"][0]["received"] = "2027-01-14"
    here = world(offered("n1", device("1")), inventories=[received])
    run(here)
    assert told(here) == ("True", "ChipsNotSeen")
    assert status(here)["awaited"] == 1
    run(here, NOW + 3 * DAY)
    assert told(here) == ("False", "ChipsGone")
    assert "GPU-2 was never seen, and delivery DN-1 was received on 2027-01-14" in message(here)


def test_a_chip_on_two_nodes_at_once_is_ambiguous_and_stays_where_it_was() -> None:
    here = world(offered("n2", device("1"), device("2")))
    run(here)
    here.slices = [offered("n1", device("1")), offered("n2", device("1"), device("2"))]
    result = run(here)
    assert told(here) == ("False", "ChipsAmbiguous")
    assert "GPU-1 is seen on 2 nodes at once: n1, n2" in message(here)
    assert "ChipsMoved" not in events(result)


def test_a_chip_that_two_deliveries_declare_is_ambiguous() -> None:
    here = world(
        offered("n1", device("1"), device("2")),
        inventories=[inventory("delivered", A, B), inventory("second", "gpu-2")],
    )
    run(here)
    assert told(here) == ("False", "ChipsAmbiguous")
    assert "id GPU-2 is declared 2 times, also by delivery DN-1 of inventory second" in message(here)


def test_chips_in_its_zones_that_no_inventory_declares_are_reported() -> None:
    here = world(offered("n1", device("1"), device("2"), device("3")), offered("sg1", device("9")))
    run(here)
    assert told(here) == ("False", "ChipsUndeclared")
    assert status(here)["undeclared"] == 1
    assert message(here) == "1 chip is seen and in no inventory: GPU-3 on node n1"


def test_nothing_counts_as_undeclared_while_an_inventory_cant_be_read() -> None:
    broken = inventory("other", "GPU-3")
    broken["spec"]["deliveries"][0]["chips"] = [" "]
    here = world(
        offered("n1", device("1"), device("2"), device("3")), inventories=[inventory("delivered", A, B), broken]
    )
    run(here)
    assert told(here) == ("True", "ChipsAccounted")


def test_an_inventory_that_cant_be_read_keeps_what_it_remembers() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    before = status(here)["places"]
    here.inventories[0]["spec"]["deliveries"][0]["chips"] = ["not an id"]
    run(here)
    assert told(here) == ("False", "Invalid")
    assert status(here)["places"] == before


def test_without_any_chip_in_resourceslices_nothing_is_known() -> None:
    one = inventory("delivered", A)
    one["spec"]["deliveries"][0]["received"] = "2027-01-14"
    here = world(inventories=[one])
    run(here)
    assert told(here) == ("Unknown", "NoChipsObserved")


def test_what_only_exporters_show_is_neither_missing_nor_gone() -> None:
    one = inventory("delivered", A)
    other = {"name": "DN-2", "received": "2026-01-01", "observedBy": "Exporters", "chips": ["2102314NMU10P7100017"]}
    one["spec"]["deliveries"].append(other)
    here = world(offered("n1", device("1")), inventories=[one])
    result = run(here)
    assert told(here) == ("Unknown", "NoChipsObserved")
    assert told(here, "Ready") == ("True", "NoChipsObserved")
    found = status(here)
    assert (found["seen"], found["gone"], found["unobserved"], result.requeue_after) == (1, 0, 1, None)
    # A driver that begins to publish its ids makes it one like the others.
    here.slices.append(offered("n2", {"name": "npu-0", "attributes": {"serial": {"string": "2102314nmu10p7100017"}}}))
    run(here)
    assert told(here) == ("True", "ChipsAccounted")


def test_nothing_is_decided_before_resourceslices_are_listed() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    here.slices, here.unlisted = [], ("ResourceSlice",)
    assert run(here, NOW + 9 * DAY).effects == ()


def test_a_chip_is_recognized_by_either_of_its_ids() -> None:
    here = world(
        offered("n1", device("1"), device("2")),
        inventories=[inventory("delivered", "1654324035001,gpu-1", "GPU-2,77777")],
    )
    run(here)
    assert told(here) == ("True", "ChipsAccounted")
    assert status(here)["places"][0]["chips"] == ["1654324035001", "GPU-2"]
    # The list is written anew, the other way round: the chip is the same one.
    here.inventories[0]["spec"]["deliveries"][0]["chips"] = ["GPU-1,1654324035001", "GPU-2"]
    run(here, NOW + DAY)
    assert status(here)["places"] == [
        {"node": "n1", "zone": "cyberjaya-1", "since": "2027-01-15T08:00:00Z", "chips": ["GPU-1", "GPU-2"]}
    ]


def test_partitions_are_one_chip() -> None:
    parts = [
        {
            "name": f"mig-{i}",
            "attributes": {"type": {"string": "mig"}, "uuid": {"string": f"MIG-{i}"}, "parentUUID": {"string": A}},
        }
        for i in range(7)
    ]
    here = world(offered("n1", *parts, device("2")))
    run(here)
    assert (status(here)["seen"], told(here)) == (2, ("True", "ChipsAccounted"))


def test_an_older_generation_counts_until_the_newest_is_complete() -> None:
    pool: Raw = {"name": "n1", "generation": 1, "resourceSliceCount": 1}
    newest: Raw = {"name": "n1", "generation": 2, "resourceSliceCount": 2}
    old = offered("n1", device("1"), device("2"), name="old", pool=pool)
    first = offered("n1", device("1"), name="first", pool=newest)
    here = world(old, first)
    run(here)
    assert status(here)["seen"] == 2
    here.slices.append(offered("n1", device("3"), name="second", pool=newest))
    run(here)
    assert (status(here)["seen"], status(here)["missing"]) == (1, 1)


def test_chips_that_are_taken_off_the_list_are_forgotten() -> None:
    here = world(offered("n1", device("1"), device("2")))
    run(here)
    here.inventories[0]["spec"]["deliveries"][0]["chips"] = [A]
    run(here)
    assert status(here)["places"][0]["chips"] == [A]


def test_moves_and_problems_are_bounded() -> None:
    chips = [f"GPU-{i:03}" for i in range(200)]
    devices = [device(f"{i:03}") for i in range(200)]
    here = world(offered("n1", *devices), inventories=[inventory("delivered", *chips)])
    run(here)
    here.slices = [offered("sg1", *devices)]
    result = run(here, NOW + DAY)
    found = status(here)
    assert (len(found["moves"]), len(found["problems"]), found["outside"]) == (50, 20, 200)
    assert len(result.events) == 2


def test_only_a_change_of_chips_wakes_inventories() -> None:
    here = world(offered("n1", device("1"), device("2")))
    tainted = device("1", taints=[{"key": "example.my/broken", "effect": "NoSchedule"}])
    assert REF not in here.woken("ResourceSlice", offered("n1", tainted, device("2")))
    assert REF in here.woken("ResourceSlice", offered("n1", device("1"), device("3")))
    assert REF in here.woken("ResourceSlice", offered("n1", device("1"), device("2")), gone=True)
    assert REF not in here.woken("Node", node("n1", labels={"example.my/rack": "7"}))
    assert REF in here.woken("Node", node("n1", ready=False))
    assert REF in here.woken("Node", node("n1", site="singapore-1"))
    assert REF in here.woken("SovereignZone", zone(country="TH"))
    assert SITE in here.nodes[0]["metadata"]["labels"]


def test_an_inventory_that_is_gone_asks_for_nothing() -> None:
    assert reconcile(Ref("AcceleratorInventory", "", "none"), world().snapshot(), NOW) == Result()


def test_a_status_is_one_write() -> None:
    result = run(world(offered("n1", device("1"), device("2"))))
    assert [type(e) for e in result.effects if not isinstance(e, EmitEvent)] == [ApplyStatus]


def test_a_cluster_whose_definitions_are_of_an_earlier_release_does_without_inventories() -> None:
    """Helm upgrades no definitions: an operator that waited for the kind would decide nothing."""
    assert BY_KIND["AcceleratorInventory"].optional
    assert "AcceleratorInventory" in [kind.kind for kind in KINDS if kind.added_later]
    here = world(offered("n1", device("1")), inventories=[], unserved=("AcceleratorInventory",))
    found = reconcile(Ref("SovereignZone", "", "cyberjaya-1"), here.snapshot(), NOW)
    assert [effect for effect in found.effects if isinstance(effect, ApplyStatus)]
