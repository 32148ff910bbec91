"""The status of an AcceleratorInventory: how many chips are where they may be, what doesn't add up, and where each chip is.

The status is also the memory: where a chip was is nowhere else in the cluster once it is gone, and the operator restarts.
"""

from __future__ import annotations

from collections.abc import Iterator

from daulat.api import reasons
from daulat.api.counted import counted, few
from daulat.api.inventory import AcceleratorInventoryStatus, ChipProblem
from daulat.api.reasons.types import EventReason, Reason
from daulat.facts.declared import Unparsable
from daulat.facts.snapshot import Inventory, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.chips import Account, Doubt, State, account
from daulat.placement.remembered import memory, moves, places, seen
from daulat.placement.sightings import Shown, Undeclared
from daulat.reconcile.conditions import Condition, condition, cut, ready, status_change
from daulat.reconcile.result import EmitEvent, Result

PROBLEMS = 20
"""Problems that the status lists. ``daulat chips`` lists all."""
SAMPLE = 3
RECHECK = 3600.0
"""Seconds after which an inventory with missing chips is looked at again at the latest: the clock may be set."""


def reconcile_inventory(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the inventory's status, and come back when a missing chip will count as gone."""
    inventory = snapshot.inventories.get(ref.name)
    if inventory is None:
        return Result()
    if isinstance(inventory, Unparsable):
        return _unparsable(ref, inventory, now)
    if snapshot.unlisted & {"ResourceSlice", "Node", "SovereignZone"}:
        return Result()  # What isn't listed yet would count as missing.
    found = accounted(inventory, snapshot, now)
    told = _accounted(found, inventory, snapshot)
    # What can't be told keeps nothing waiting that waits for the inventory to be ready.
    judged = told if told.status == "False" else condition(reasons.ACCOUNTED, True, told.reason, told.message)
    change = status_change(ref, inventory, [ready(judged), told], _fields(found, inventory), now)
    again = None if found.next_look is None else min(max(found.next_look - now, 0.0) + 1.0, RECHECK)
    return Result(status=change.status, events=(*change.events, *_events(ref, inventory, found)), requeue_after=again)


def accounted(inventory: Inventory, snapshot: Snapshot, now: float) -> Account:
    """Account for an inventory by what ResourceSlices show and what its status remembers."""
    return account(
        inventory,
        Shown.of(snapshot).sightings(snapshot),
        Undeclared.of(snapshot).sightings(snapshot),
        memory(inventory.status),
        snapshot,
        now,
        frozenset(move.chip for move in inventory.status.moves),
    )


def _unparsable(ref: Ref, inventory: Unparsable[AcceleratorInventoryStatus], now: float) -> Result:
    """Say that it can't be read. What was remembered stays: the chips are still somewhere."""
    invalid = condition(reasons.ACCOUNTED, False, reasons.INVALID, inventory.reason)
    kept = AcceleratorInventoryStatus(places=inventory.status.places, moves=inventory.status.moves)
    change = status_change(ref, inventory, [ready(invalid), invalid], kept, now)
    return Result(status=change.status, events=change.events)


def _fields(found: Account, inventory: Inventory) -> AcceleratorInventoryStatus:
    problems = [
        ChipProblem(chip=chip.chip, reason=str(doubt), message=cut(f"{chip.chip} {text}"))
        for chip in found.chips
        for doubt, text in chip.doubts
    ]
    problems += [
        ChipProblem(
            chip=s.ids[0], reason=str(Doubt.UNDECLARED), message=f"{s.ids[0]} is on node {s.node} and isn't declared"
        )
        for s in found.undeclared[:PROBLEMS]
    ]
    return AcceleratorInventoryStatus(
        declared=len(found.chips),
        seen=seen(found),
        missing=len(found.in_state(State.MISSING)),
        gone=len(found.in_state(State.GONE)),
        awaited=len(found.in_state(State.DECLARED)),
        unobserved=len(found.in_state(State.UNOBSERVED)),
        outside=len(found.with_doubt(Doubt.OUTSIDE)),
        ambiguous=len(found.with_doubt(Doubt.AMBIGUOUS)),
        undeclared=len(found.undeclared),
        problems=tuple(problems[:PROBLEMS]),
        moves=moves(found, inventory.status.moves),
        places=places(found),
    )


def _accounted(found: Account, inventory: Inventory, snapshot: Snapshot) -> Condition:
    """Return the condition: the worst thing that doesn't add up."""
    for doubt, reason in (
        (Doubt.OUTSIDE, reasons.CHIPS_OUTSIDE),
        (Doubt.GONE, reasons.CHIPS_GONE),
        (Doubt.AMBIGUOUS, reasons.CHIPS_AMBIGUOUS),
    ):
        if chips := found.with_doubt(doubt):
            texts = [f"{c.chip} {text}" for c in chips for kind, text in c.doubts if kind is doubt]
            return _bad(reason, len(chips), len(found.chips), texts)
    if found.undeclared:
        texts = [f"{s.ids[0]} on node {s.node}" for s in found.undeclared]
        message = f"{counted(len(texts), 'chip is', 'chips are')} seen and in no inventory: {_some(texts)}"
        return condition(reasons.ACCOUNTED, False, reasons.CHIPS_UNDECLARED, message)
    unobserved = found.in_state(State.UNOBSERVED)
    if unobserved:
        message = (
            f"{len(unobserved)} of {counted(len(found.chips), 'chip')} can be seen only by exporters: compare them with"
            f" daulat chips;"
            f"{counted(seen(found), 'chip is', 'chips are')} seen"
        )
        return condition(reasons.ACCOUNTED, None, reasons.NO_CHIPS_OBSERVED, message)
    unseen = found.in_state(State.MISSING, State.DECLARED)
    if unseen and len(unseen) == len(found.chips) and not Shown.of(snapshot).sightings(snapshot).chips:
        message = "no ResourceSlice in the cluster names a chip"
        return condition(reasons.ACCOUNTED, None, reasons.NO_CHIPS_OBSERVED, message)
    if unseen:
        texts = [f"{c.chip}: {c.why}" for c in unseen]
        message = (
            f"{counted(seen(found), 'chip is', 'chips are')} where they may be; {len(unseen)} of {len(found.chips)} aren't seen, "
            f"for less than {inventory.spec.gone_after}: {_some(texts)}"
        )
        return condition(reasons.ACCOUNTED, True, reasons.CHIPS_NOT_SEEN, message)
    message = f"{counted(len(found.chips), 'declared chip is', 'declared chips are')} seen where they may be"
    return condition(reasons.ACCOUNTED, True, reasons.CHIPS_ACCOUNTED, message)


def _bad(reason: Reason, number: int, of: int, texts: list[str]) -> Condition:
    return condition(reasons.ACCOUNTED, False, reason, f"{number} of {counted(of, 'chip')}: {_some(texts)}")


def _some(texts: list[str]) -> str:
    return few(texts, SAMPLE, between="; ", last="; and ")


def _events(ref: Ref, inventory: Inventory, found: Account) -> Iterator[EmitEvent]:
    """Yield at most three Events a pass, however many chips they are about."""
    outside = {chip.chip for chip in found.with_doubt(Doubt.OUTSIDE)}
    if found.moves:
        texts = [
            f"{m.chip} from {m.before.node} ({m.before.zone}) to {m.after.node} ({m.after.zone})" for m in found.moves
        ]
        yield _event(ref, inventory, reasons.CHIPS_MOVED, any(m.chip in outside for m in found.moves), texts)
    if found.lost:
        texts = [f"{c.chip} {text}" for c in found.lost for doubt, text in c.doubts if doubt is Doubt.GONE]
        yield _event(ref, inventory, reasons.CHIPS_LOST, True, texts)
    again = [c for c in found.found if c.chip in _gone(inventory)]
    if again:
        texts = [f"{c.chip} on node {c.now.place.node}" for c in again if c.now is not None]
        yield _event(ref, inventory, reasons.CHIPS_FOUND, False, texts)


def _gone(inventory: Inventory) -> set[str]:
    return {chip for entry in inventory.status.places if entry.gone for chip in entry.chips}


def _event(ref: Ref, inventory: Inventory, reason: EventReason, bad: bool, texts: list[str]) -> EmitEvent:
    message = cut(f"{counted(len(texts), 'chip')}: {_some(texts)}")
    return EmitEvent(ref, inventory.uid, "Warning" if bad else "Normal", str(reason), message)
