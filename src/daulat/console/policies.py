"""What a policy's page shows: what it demands, which zones satisfy it, its controls by action, what is exempt."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daulat.api.policy import ControlsByAction
from daulat.catalog.presets import leaves
from daulat.controls import library
from daulat.facts.snapshot import Policy, Snapshot
from daulat.placement import zoning

_CONTROL = re.compile(r"([A-Z]{3}-[0-9]{2})(?: \(([^)]*)\))?")


@dataclass(frozen=True)
class Demand:
    """One field of the policy, with its preset."""

    field: str
    value: str


@dataclass(frozen=True)
class ControlRow:
    """One control in force."""

    action: str
    id: str
    guards: str
    """What it judges, such as pods, models."""
    title: str


@dataclass(frozen=True)
class ZoneVerdict:
    """Whether a zone satisfies the policy."""

    zone: str
    reason: str
    """Why not; empty where it does."""


def demands(policy: Policy) -> tuple[Demand, ...]:
    """Return the rules of the policy in force, by field, without those that are as where nothing is written."""
    written = policy.spec.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True, mode="json")
    found: Mapping[str, Any] = leaves(written)
    return tuple(Demand(field, _written(value)) for field, value in sorted(found.items()))


def controls(found: ControlsByAction | None) -> tuple[ControlRow, ...]:
    """Return the controls in force as the operator reported them, those that refuse first."""
    titles = {control.id: control.title for control in library.controls()}
    by_action = () if found is None else (("Enforce", found.enforce), ("Warn", found.warn), ("Audit", found.audit))
    return tuple(
        ControlRow(action, id_, guards or "", titles.get(id_, ""))
        for action, written in by_action
        for id_, guards in _CONTROL.findall(written or "")
    )


def verdicts(policy: Policy, snapshot: Snapshot) -> tuple[ZoneVerdict, ...]:
    """Return for each zone whether the policy accepts it, those that it rejects last."""
    found = [ZoneVerdict(name, why or "") for name, why in zoning.verdicts(policy, snapshot).items()]
    return tuple(sorted(found, key=lambda each: (bool(each.reason), each.zone)))


def _written(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
