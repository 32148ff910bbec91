"""Condition types and reasons of all kinds. Each is part of the API and carries its own documentation.

docs/reference/conditions.md is generated from it, `daulat explain` shows remedies, and reconcilers read which reasons pass by
themselves.
"""

# ruff: noqa: F403, F405 - a reason is `reasons.NAME`, whichever file documents it
from __future__ import annotations

from collections.abc import Mapping

from . import chips, conditions, events, extras, inventory, placement, policy, shared, workload
from .chips import *
from .conditions import *
from .events import *
from .extras import *
from .inventory import *
from .placement import *
from .policy import *
from .shared import *
from .types import *
from .workload import *

CONDITIONS: Mapping[str, ConditionType] = {v: v for v in vars(conditions).values() if isinstance(v, ConditionType)}
"""Every condition type by its name, in the order in which a status lists them."""
REASONS: Mapping[str, Reason] = {
    value: value
    for module in (placement, workload, extras, policy, inventory, chips, shared)
    for value in vars(module).values()
    if isinstance(value, Reason)
}
"""Every reason by its name."""

EVENTS: Mapping[str, EventReason] = {v: v for v in vars(events).values() if isinstance(v, EventReason)}
"""Every reason of an Event that tells of no condition, by its name."""


def reasons_of(condition: ConditionType) -> tuple[Reason, ...]:
    """Return the reasons that a condition may have, in the order in which they are documented."""
    return tuple(reason for reason in REASONS.values() if condition in reason.conditions)


def conditions_of(kind: str) -> tuple[ConditionType, ...]:
    """Return the conditions of a kind, in the order in which a status lists them."""
    return tuple(condition for condition in CONDITIONS.values() if kind in condition.kinds)
