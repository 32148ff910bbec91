"""Builds a status from conditions: the time of a transition is kept where nothing changed, and Events tell of changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.kube.ref import Ref

from .result import ApplyStatus, EmitEvent
from .timestamps import stamp

MESSAGE = 1024
"""The API server refuses Events with a note of more than 1024 bytes; conditions say no more."""


@dataclass(frozen=True)
class Condition:
    """A condition to set."""

    type: str
    status: str
    reason: str
    message: str
    good: str = "True"
    """The healthy status."""
    initial: bool = False
    """Whether an object that is as it should be has it from the start: it is worth an Event only after it was otherwise."""


@dataclass(frozen=True)
class StatusChange:
    """The status to apply and the Events about it; empty where the status is so already."""

    status: tuple[ApplyStatus, ...] = ()
    events: tuple[EmitEvent, ...] = ()


def condition(
    type_: str, holds: bool | None, reason: str, message: str, good: str = "True", *, initial: bool = False
) -> Condition:
    """Return a condition; None means Unknown."""
    return Condition(type_, "Unknown" if holds is None else str(holds), reason, message, good, initial)


def ready(*parts: Condition) -> Condition:
    """Return Ready: the first of the parts that isn't True, or else the first of them."""
    told = next((part for part in parts if part.status != "True"), parts[0])
    return Condition(reasons.READY, told.status, told.reason, told.message, initial=told.initial)


def status_change(
    ref: Ref, uid: str, generation: int, before: Manifest, conditions: Sequence[Condition], fields: Manifest, now: float
) -> StatusChange:
    """Return what makes the status so."""
    old = {c.get("type"): c for c in before.get("conditions") or ()}
    status: Manifest = {
        "observedGeneration": generation,
        "conditions": [_manifest(c, old.get(c.type), generation, now) for c in conditions],
        **{key: value for key, value in fields.items() if value is not None},
    }
    if same_status(status, before):
        return StatusChange()
    events: list[EmitEvent] = []
    told: set[tuple[str, str, str]] = set()
    # The first condition may copy another one: what that has told already is no second Event.
    for one in (*conditions[1:], *conditions[:1]):
        was = old.get(one.type)
        if was is None and (one.status == "Unknown" or one.initial):
            continue
        if was is None or (was.get("status"), was.get("reason")) != (one.status, one.reason):
            kind: Literal["Normal", "Warning"] = "Normal" if one.status in (one.good, "Unknown") else "Warning"
            same = (kind, one.reason, one.message)
            if same not in told:
                events.append(EmitEvent(ref, uid, kind, one.reason, cut(f"{one.type}={one.status}: {one.message}")))
            told.add(same)
    return StatusChange((ApplyStatus(ref, uid, status),), tuple(events))


def cut(message: str) -> str:
    """Return the message, cut at the length that Events may have."""
    text = message.encode()
    return message if len(text) <= MESSAGE else text[: MESSAGE - 3].decode(errors="ignore") + "..."


def same_status(status: Manifest, before: Manifest) -> bool:
    """Say whether two statuses are the same, in whatever order their conditions are."""
    return _ordered(status) == _ordered(before)


def _manifest(condition: Condition, old: dict[str, Any] | None, generation: int, now: float) -> Manifest:
    same = old is not None and old.get("status") == condition.status
    at = stamp(now)
    return {
        # PyYAML's safe dumper refuses subclasses of str.
        "type": str(condition.type),
        "status": condition.status,
        "reason": str(condition.reason),
        "message": cut(condition.message),
        "lastTransitionTime": old["lastTransitionTime"] if old is not None and same else at,
        "observedGeneration": generation,
    }


def _ordered(status: Manifest) -> Manifest:
    return {**status, "conditions": sorted(status.get("conditions") or (), key=lambda c: str(c.get("type")))}
