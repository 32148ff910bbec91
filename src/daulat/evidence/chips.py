"""What the log records of chips: seen, moved, outside, not seen any more, gone, found again. One entry a chip and a change.

The account of an AcceleratorInventory is compared with what was recorded last. After a restart that is read from the log, and not
from the inventory's status: the operator may have written there what happened while the recorder was down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

from daulat.facts.snapshot import Snapshot
from daulat.placement.chips import Account, Doubt, Place, Remembered, Standing, State, written

from .draft import Draft

KINDS = frozenset({"ChipSeen", "ChipMoved", "ChipMissing", "ChipGone", "ChipReturned", "ChipDisputed", "ChipSettled"})
"""The kinds of entries about chips."""
DISPUTED = frozenset({Doubt.OUTSIDE, Doubt.AMBIGUOUS})


@dataclass(frozen=True)
class Known:
    """What is recorded of a chip."""

    place: Place | None
    absent: bool = False
    gone: bool = False
    doubts: frozenset[Doubt] = frozenset()


def replayed(entries: Iterable[Draft]) -> dict[str, dict[str, Known]]:
    """Return what a log has recorded, by inventory and chip. Entries of other kinds make no difference."""
    found: dict[str, dict[str, Known]] = {}
    for entry in entries:
        if entry.kind not in KINDS:
            continue
        data = entry.data
        chips = found.setdefault(str(data.get("inventory")), {})
        was = chips.get(str(data.get("chip")), Known(None))
        place, reason = data.get("place"), str(data.get("reason"))
        where = Place(str(place.get("node")), str(place.get("zone", ""))) if isinstance(place, dict) else was.place
        match entry.kind:
            case "ChipMissing":
                now = replace(was, absent=True)
            case "ChipGone":
                now = replace(was, absent=True, gone=True)
            case "ChipDisputed":
                now = replace(was, doubts=was.doubts | {Doubt(reason)})
            case "ChipSettled":
                now = replace(was, doubts=was.doubts - {Doubt(reason)})
            case _:
                now = Known(where, doubts=was.doubts)
        chips[str(data.get("chip"))] = now
    return found


def known(account: Account) -> dict[str, Known]:
    """Return what is recorded once the account's entries are."""
    return {chip.chip: _known(chip) for chip in account.chips}


def drafts(account: Account, before: Mapping[str, Known], snapshot: Snapshot) -> Iterator[Draft]:
    """Yield the entries for what differs from what is recorded.

    ``ChipSeen``: for the first time. ``ChipMoved``: with the place before. ``ChipMissing``: it isn't seen, and that is within the
    time allowed. ``ChipGone``: it is beyond it. ``ChipReturned``: it is seen again where it was. ``ChipDisputed``: it is outside,
    or its record is ambiguous. ``ChipSettled``: that has ended.
    """
    nothing = Known(None)
    for chip in account.chips:
        was, now = before.get(chip.chip, nothing), _known(chip)
        data = _data(chip, account, snapshot)
        if now.gone and not was.gone:
            yield Draft("ChipGone", data)
        elif now.absent and not now.gone and not was.absent:
            yield Draft("ChipMissing", data)
        elif now.place is not None and not now.absent:
            if was.place is None:
                yield Draft("ChipSeen", data)
            elif was.place != now.place:
                yield Draft("ChipMoved", {**data, "from": _place(was.place, snapshot)})
            elif was.absent:
                yield Draft("ChipReturned", data)
        for doubt, text in dict(chip.doubts).items():
            if doubt in now.doubts - was.doubts:
                yield Draft("ChipDisputed", {**data, "reason": str(doubt), "message": text})
        for doubt in sorted(was.doubts - now.doubts):
            yield Draft("ChipSettled", {**data, "reason": str(doubt)})


def _known(chip: Standing) -> Known:
    absent = chip.state in (State.MISSING, State.GONE)
    place = chip.now.place if chip.now is not None else None
    return Known(place, absent, chip.state is State.GONE, frozenset(doubt for doubt, _ in chip.doubts) & DISPUTED)


def _data(chip: Standing, account: Account, snapshot: Snapshot) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = {"chip": chip.chip, "inventory": account.inventory, "delivery": chip.delivery.name}
    if chip.delivery.permit is not None:
        data["permit"] = chip.delivery.permit.reference
    if chip.now is not None:
        data |= {"place": _place(chip.now.place, snapshot), **_times(chip.now)}
    if chip.sighting is not None:
        data |= {"source": chip.sighting.source}
    return data


def _times(one: Remembered) -> dict[str, JsonValue]:
    absent: dict[str, JsonValue] = {} if one.absent_since is None else {"absentSince": written(one.absent_since)}
    return {"since": written(one.since), **absent}


def _place(place: Place, snapshot: Snapshot) -> dict[str, JsonValue]:
    zone = snapshot.known_zones.get(place.zone)
    found: dict[str, JsonValue] = {"node": place.node}
    if place.zone:
        found["zone"] = place.zone
    return found | ({"country": zone.spec.country} if zone is not None else {})
