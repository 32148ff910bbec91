"""Reads from an object's conditions where it stands: its state, why, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daulat.api import reasons
from daulat.api.meta import Condition, ConditionedStatus
from daulat.api.reasons.types import ConditionType
from daulat.facts.declared import Declared, Unparsable

from .view import State

NOT_REPORTED = "NotReported"
"""Stands where a reason would, while the operator has written no condition Ready."""


@dataclass(frozen=True)
class Standing:
    """Where an object stands."""

    state: State
    reason: str
    message: str
    seconds: float | None
    """Since the status of Ready changed last; since the object was created where there is none."""


def standing(declared: Declared[Any, Any] | Unparsable[Any], now: float) -> Standing:
    """Return where an object stands. ``now`` is in seconds since the epoch."""
    status: ConditionedStatus = declared.status
    ready = status.condition(reasons.READY)
    if isinstance(declared, Unparsable):
        return Standing(State.FAILED, reasons.INVALID, declared.reason, _since(ready, now))
    if ready is None:
        message = "the operator hasn't written a status yet"
        return Standing(State.UNKNOWN, NOT_REPORTED, message, _seconds(declared.created, now))
    if (status.observed_generation or 0) < declared.generation:
        message = f"the operator hasn't acted on generation {declared.generation} yet"
        return Standing(State.PROGRESSING, ready.reason, message, _since(ready, now))
    return Standing(_state(ready), ready.reason, ready.message, _since(ready, now))


def warnings(status: ConditionedStatus, *types: ConditionType) -> tuple[tuple[str, str], ...]:
    """Return reason and message of each of these conditions that has a bad status, and doesn't pass by itself."""
    found = [(type_, status.condition(type_)) for type_ in types]
    bad = (c for type_, c in found if c is not None and c.status not in (type_.good, "Unknown"))
    return tuple((c.reason, c.message) for c in bad if not _passes(c.reason))


def value(status: ConditionedStatus, type_: str) -> str:
    """Return a condition's status; Unknown where there is no such condition."""
    found = status.condition(type_)
    return found.status if found is not None else "Unknown"


def _state(ready: Condition) -> State:
    if ready.status == "True":
        return State.READY
    if _passes(ready.reason):
        return State.PROGRESSING
    return State.FAILED if ready.status == "False" else State.UNKNOWN


def _passes(reason: str) -> bool:
    known = reasons.REASONS.get(reason)
    return known is not None and known.transient


def _since(condition: Condition | None, now: float) -> float | None:
    return _seconds(condition.last_transition_time, now) if condition is not None else None


def _seconds(stamp: str, now: float) -> float | None:
    try:
        return max(now - datetime.fromisoformat(stamp).timestamp(), 0.0)
    except (ValueError, OverflowError):
        return None
