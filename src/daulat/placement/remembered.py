"""The memory of an AcceleratorInventory, as its status has it: where each chip is or was last, and since when.

Chips that came to one node at the same time are one entry: 2,000 chips with UUIDs take about 110 kB, and change only when a chip
comes, goes or moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from daulat.api.inventory import AcceleratorInventoryStatus, ChipMove, ChipPlace
from daulat.api.timestamps import stamp

from .chips import Account, Move, Place, Remembered, State

MOVES = 50
"""Moves that the status keeps. The log keeps all."""


def memory(status: AcceleratorInventoryStatus) -> dict[str, Remembered]:
    """Return what the status remembers, by the chip. An entry whose time can't be read is as if it had begun long ago."""
    found: dict[str, Remembered] = {}
    for entry in status.places:
        absent = _seconds(entry.absent_since) if entry.absent_since else None
        one = Remembered(Place(entry.node, entry.zone), _seconds(entry.since), absent, bool(entry.gone))
        found |= dict.fromkeys(entry.chips, one)
    return found


def places(account: Account) -> tuple[ChipPlace, ...]:
    """Return what is to be remembered. Chips that aren't declared any more are forgotten."""
    groups: dict[Remembered, list[str]] = {}
    for chip in account.chips:
        if chip.now is not None:
            groups.setdefault(chip.now, []).append(chip.chip)
    entries = sorted(groups.items(), key=lambda item: (item[0].place, item[0].since, item[0].absent_since or 0.0))
    return tuple(_entry(one, tuple(dict.fromkeys(chips))) for one, chips in entries)


def moves(account: Account, before: Iterable[ChipMove]) -> tuple[ChipMove, ...]:
    """Return the newest moves, the newest first. Those of chips that aren't declared any more are forgotten."""
    declared = {chip.chip for chip in account.chips}
    kept = [move for move in before if move.chip in declared]
    return (*(_move(move) for move in account.moves), *kept)[:MOVES]


def seen(account: Account) -> int:
    """Return how many chips are seen."""
    return len(account.in_state(State.SEEN, State.MOVED))


def _entry(one: Remembered, chips: tuple[str, ...]) -> ChipPlace:
    absent = {} if one.absent_since is None else {"absent_since": stamp(one.absent_since), "gone": one.gone}
    return ChipPlace(node=one.place.node, zone=one.place.zone, since=stamp(one.since), **absent, chips=chips)


def _move(move: Move) -> ChipMove:
    return ChipMove(
        chip=move.chip,
        from_node=move.before.node,
        from_zone=move.before.zone,
        to_node=move.after.node,
        to_zone=move.after.zone,
        at=stamp(move.at),
    )


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
