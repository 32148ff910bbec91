"""Builds a status from conditions: the time of a transition is kept where nothing changed, and people are told of changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daulat.api.kinds import Manifest
from daulat.kube.ref import Ref

from .result import ApplyStatus, Effect, Record
from .timestamps import stamp

MESSAGE = 1024
"""The API server refuses Events with a note of more than 1024 bytes; conditions say no more."""


@dataclass(frozen=True)
class Told:
    """A condition to set. ``good`` is the status that people hope for."""

    type: str
    status: str
    reason: str
    message: str
    good: str = "True"
    expected: bool = False
    """Whether it is so from the start, of every object that is as it should be: people hear of it only once it was otherwise."""


def told(
    type_: str, holds: bool | None, reason: str, message: str, good: str = "True", *, expected: bool = False
) -> Told:
    """Return a condition; None means Unknown."""
    return Told(type_, "Unknown" if holds is None else str(holds), reason, message, good, expected)


def write(
    ref: Ref, uid: str, generation: int, before: Manifest, conditions: Sequence[Told], fields: Manifest, now: float
) -> list[Effect]:
    """Return the status to apply and the Events to record; nothing where the status is so already."""
    old = {c.get("type"): c for c in before.get("conditions") or ()}
    status: Manifest = {
        "observedGeneration": generation,
        "conditions": [_condition(c, old.get(c.type), generation, now) for c in conditions],
        **{key: value for key, value in fields.items() if value is not None},
    }
    if _same(status, before):
        return []
    effects: list[Effect] = [ApplyStatus(ref, status)]
    said: set[tuple[str, str, str]] = set()
    # The first condition may be derived from another one: what that has said already isn't said again.
    for condition in (*conditions[1:], *conditions[:1]):
        was = old.get(condition.type)
        if was is None and (condition.status == "Unknown" or condition.expected):
            continue
        if was is None or (was.get("status"), was.get("reason")) != (condition.status, condition.reason):
            kind = "Normal" if condition.status in (condition.good, "Unknown") else "Warning"
            same = (kind, condition.reason, condition.message)
            if same not in said:
                message = f"{condition.type}={condition.status}: {condition.message}"
                effects.append(Record(ref, uid, kind, condition.reason, cut(message)))  # type: ignore[arg-type]
            said.add(same)
    return effects


def cut(message: str) -> str:
    """Return the message, cut at the length that Events may have."""
    text = message.encode()
    return message if len(text) <= MESSAGE else text[: MESSAGE - 3].decode(errors="ignore") + "..."


def _condition(condition: Told, old: dict[str, Any] | None, generation: int, now: float) -> Manifest:
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


def _same(status: Manifest, before: Manifest) -> bool:
    return _ordered(status) == _ordered(before)


def _ordered(status: Manifest) -> Manifest:
    return {**status, "conditions": sorted(status.get("conditions") or (), key=lambda c: str(c.get("type")))}
