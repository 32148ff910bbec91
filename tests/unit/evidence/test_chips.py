"""What the log records of chips, from one account to the next."""

from __future__ import annotations

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.evidence.chips import Known, drafts, known, replayed
from daulat.evidence.draft import Draft
from daulat.facts.declared import Declared
from daulat.reconcile.inventory.chips import accounted
from daulat.reconcile.registry import reconcile
from tests.unit.reconcile.inventory.test_chips import DAY, NOW, REF, world
from tests.unit.world import World, device, node, offered


def recorded(here: World, now: float, before: dict[str, Known] | None = None) -> tuple[list[Draft], dict[str, Known]]:
    """Return the entries and what is known then, and let the operator write the status."""
    snapshot = here.snapshot()
    inventory = snapshot.inventories["delivered"]
    assert isinstance(inventory, Declared)
    account = accounted(inventory, snapshot, now)
    found = list(drafts(account, before or {}, snapshot))
    for draft in found:
        rfc8785.dumps(dict(draft.data))
    here.with_status_of(reconcile(REF, snapshot, now).effects)
    return found, known(account)


def test_a_chip_that_is_seen_for_the_first_time_is_recorded_with_its_permit_and_place() -> None:
    here = world(offered("n1", device("1")))
    entry, *_ = recorded(here, NOW)[0]
    assert entry == Draft(
        "ChipSeen",
        {
            "chip": "GPU-1",
            "inventory": "delivered",
            "delivery": "DN-1",
            "permit": "STA-2026-0417",
            "place": {"node": "n1", "zone": "cyberjaya-1", "country": "MY"},
            "since": "2027-01-15T08:00:00Z",
            "source": "ResourceSlice",
        },
    )


def test_a_move_abroad_is_recorded_with_both_places_and_as_disputed() -> None:
    here = world(offered("n1", device("1"), device("2")))
    _, before = recorded(here, NOW)
    here.slices = [offered("n1", device("1")), offered("sg1", device("2"))]
    found, _ = recorded(here, NOW + DAY, before)
    assert [draft.kind for draft in found] == ["ChipMoved", "ChipDisputed"]
    assert found[0].data["from"] == {"node": "n1", "zone": "cyberjaya-1", "country": "MY"}
    assert found[0].data["place"] == {"node": "sg1", "zone": "singapore-1", "country": "SG"}
    assert found[1].data["reason"] == "Outside"


def test_an_absence_is_recorded_when_it_begins_when_it_is_too_long_and_when_it_ends() -> None:
    here = world(offered("n1", device("1"), device("2")))
    _, before = recorded(here, NOW)
    kinds = []
    for slices, days in (([device("1")], 1), ([device("1")], 2), ([device("1")], 4), ([device("1"), device("2")], 5)):
        here.slices = [offered("n1", *slices)]
        found, before = recorded(here, NOW + days * DAY, before)
        kinds.append([draft.kind for draft in found])
    assert kinds == [["ChipMissing"], [], ["ChipGone"], ["ChipReturned"]]


def test_a_dispute_that_ends_is_recorded() -> None:
    here = world(offered("n1", device("1"), device("2")))
    _, before = recorded(here, NOW)
    here.slices = [offered("sg1", device("1")), offered("n1", device("2"))]
    _, before = recorded(here, NOW + DAY, before)
    here.slices = [offered("n1", device("1"), device("2"))]
    found, _ = recorded(here, NOW + 2 * DAY, before)
    assert [(draft.kind, draft.data.get("reason")) for draft in found] == [
        ("ChipMoved", None),
        ("ChipSettled", "Outside"),
    ]


def test_a_restart_of_the_recorder_records_nothing_twice_and_loses_no_move() -> None:
    """The operator has written the move into the status while the recorder was down."""
    here = world(offered("n1", device("1"), device("2")))
    log, _ = recorded(here, NOW)
    assert recorded(here, NOW + 60, replayed(log)["delivered"])[0] == []
    here.slices = [offered("n1", device("1")), offered("n2", device("2"))]
    here.with_status_of(reconcile(REF, here.snapshot(), NOW + DAY).effects)
    found, _ = recorded(here, NOW + 2 * DAY, replayed(log)["delivered"])
    assert [draft.kind for draft in found] == ["ChipMoved"]


def test_entries_of_other_kinds_say_nothing_of_chips() -> None:
    assert replayed([Draft("RunStarted", {"chip": "GPU-1", "inventory": "x"})]) == {}


STEPS = st.lists(
    st.tuples(st.sampled_from(["n1", "n2", "sg1", ""]), st.sampled_from(["n1", "n2", ""]), st.booleans()), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_happens_the_log_tells_where_each_chip_is(steps: list[tuple[str, str, bool]]) -> None:
    """Read from the log alone, chips are where the operator remembers them, and what is known is what was recorded."""
    here, log, before = world(), list[Draft](), dict[str, Known]()
    for number, (first, second, ready) in enumerate(steps):
        here.slices = [
            offered(at, device(name), name=f"{at}-{name}", pool={"name": f"{at}{name}"})
            for name, at in (("1", first), ("2", second))
            if at
        ]
        here.nodes[0] = node("n1", ready=ready)
        found, before = recorded(here, NOW + number * 2 * DAY, before)
        log += found
        read = replayed(log).get("delivered", {})
        assert {chip: one for chip, one in before.items() if chip in read} == read
        places = here.inventories[0]["status"].get("places", [])
        remembered = {chip: place["node"] for place in places for chip in place["chips"]}
        assert {chip: one.place.node for chip, one in read.items() if one.place is not None} == remembered
