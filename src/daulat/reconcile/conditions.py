"""Builds a status from conditions: the time of a transition is kept where nothing changed, and Events tell of changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from daulat.api import meta, reasons
from daulat.api.kinds import Manifest
from daulat.api.status import write_status
from daulat.api.timestamps import stamp
from daulat.facts.declared import Declared, Unparsable
from daulat.kube.ref import Ref

from .result import ApplyStatus, EmitEvent

AnyDeclared = Declared[Any, Any] | Unparsable[Any]
MESSAGE = 1024
"""The API server refuses Events with a note of more than 1024 bytes; conditions say no more."""


@dataclass(frozen=True)
class Condition:
    """A condition to set."""

    type: str
    status: meta.ConditionValue
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
    status: meta.ConditionValue = "Unknown" if holds is None else "True" if holds else "False"
    return Condition(type_, status, reason, message, good, initial)


def ready(*parts: Condition) -> Condition:
    """Return Ready: the first of the parts that isn't True, or else the first of them."""
    told = next((part for part in parts if part.status != "True"), parts[0])
    return Condition(reasons.READY, told.status, told.reason, told.message, initial=told.initial)


def status_change(
    ref: Ref,
    declared: AnyDeclared,
    conditions: Sequence[Condition],
    fields: meta.ConditionedStatus,
    now: float,
) -> StatusChange:
    """Return what makes the status so: these conditions, and beside them these fields alone."""
    status = _with_conditions(fields, declared, conditions, now)
    return _change(ref, declared, conditions, write_status(status), status)


def conditions_change(ref: Ref, declared: AnyDeclared, conditions: Sequence[Condition], now: float) -> StatusChange:
    """Return what sets the conditions alone. All else stays as it is stored, whether or not it can be read."""
    status = _with_conditions(declared.status, declared, conditions, now)
    kept = {key: value for key, value in declared.stored.items() if value is not None}
    written = write_status(status)
    changed: Manifest = {key: written[key] for key in ("observedGeneration", "conditions")}
    return _change(ref, declared, conditions, {**kept, **changed}, status)


def _with_conditions(
    status: meta.ConditionedStatus, declared: AnyDeclared, conditions: Sequence[Condition], now: float
) -> meta.ConditionedStatus:
    old = {c.type: c for c in declared.status.conditions}
    written = tuple(_written(c, old.get(c.type), declared.generation, now) for c in conditions)
    return status.model_copy(update={"observed_generation": declared.generation, "conditions": written})


def _change(
    ref: Ref,
    declared: AnyDeclared,
    conditions: Sequence[Condition],
    status: Manifest,
    decided: meta.ConditionedStatus,
) -> StatusChange:
    if same_status(status, declared.stored):
        return StatusChange()
    uid, old = declared.uid, {c.type: c for c in declared.status.conditions}
    events: list[EmitEvent] = []
    told: set[tuple[str, str, str]] = set()
    # The first condition may copy another one: what that has told already is no second Event.
    for one in (*conditions[1:], *conditions[:1]):
        was = old.get(one.type)
        if was is None and (one.status == "Unknown" or one.initial):
            continue
        if was is None or (was.status, was.reason) != (one.status, one.reason):
            fine = one.status in (one.good, "Unknown") or _passes(one.reason)
            kind: Literal["Normal", "Warning"] = "Normal" if fine else "Warning"
            same = (kind, one.reason, one.message)
            if same not in told:
                events.append(EmitEvent(ref, uid, kind, one.reason, cut(f"{one.type}={one.status}: {one.message}")))
            told.add(same)
    return StatusChange((ApplyStatus(ref, uid, status, decided),), tuple(events))


def _passes(reason: str) -> bool:
    """Say whether objects pass through this state, such as a rollout, on their way to the good one."""
    found = reasons.REASONS.get(reason)
    return found is not None and found.transient


def cut(message: str) -> str:
    """Return the message, cut at the length that Events may have."""
    text = message.encode()
    return message if len(text) <= MESSAGE else text[: MESSAGE - 3].decode(errors="ignore") + "..."


def same_status(status: Manifest, before: Manifest) -> bool:
    """Say whether two statuses are the same, in whatever order their conditions are."""
    return _ordered(status) == _ordered(before)


def _written(condition: Condition, old: meta.Condition | None, generation: int, now: float) -> meta.Condition:
    same = old is not None and old.status == condition.status
    return meta.Condition(
        # PyYAML's safe dumper refuses subclasses of str.
        type=str(condition.type),
        status=condition.status,
        reason=str(condition.reason),
        message=cut(condition.message),
        last_transition_time=(old.last_transition_time if old is not None and same else "") or stamp(now),
        observed_generation=generation,
    )


def _ordered(status: Manifest) -> Manifest:
    conditions = status.get("conditions") or []
    if not isinstance(conditions, list):
        return status
    return {**status, "conditions": sorted(conditions, key=_type_of)}


def _type_of(condition: object) -> str:
    return str(condition.get("type")) if isinstance(condition, dict) else ""
