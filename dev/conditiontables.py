"""Writes the tables of conditions and reasons in docs/, from what `daulat.api.reasons` says of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from daulat.api import reasons
from daulat.api.kinds import KINDS
from daulat.api.reasons import ConditionType
from dev.pages import between, page, table

REFERENCE = page("conditions")
KINDS_DOC = page("kinds")
TOPICS: Mapping[Path, tuple[ConditionType, ...]] = {
    page("explain"): (reasons.PLACED, reasons.WORKLOAD_READY),
    page("shapes"): (reasons.ROLLED_OUT, reasons.UPGRADED),
    page("autoscaling"): (reasons.AUTOSCALED,),
    page("exposure"): (reasons.EXPOSED,),
    page("gitops"): (reasons.COMPILED,),
    page("chips"): (reasons.ACCOUNTED,),
}
"""Pages that explain a condition, and so show its reasons as well."""
PAGES = (REFERENCE, KINDS_DOC, *TOPICS)


def written(text: str, page: Path) -> str:
    """Return the page with its tables written anew."""
    if page == REFERENCE:
        return between(text, "conditions", f"\n{_reference()}\n")
    if page == KINDS_DOC:
        for kind in KINDS:
            text = between(text, f"conditions of {kind.kind}", _overview(kind.kind))
        return text
    for condition in TOPICS[page]:
        text = between(text, f"reasons of {condition}", _reasons(condition))
    return text


def _reference() -> str:
    """Return every condition of every kind with its reasons. Ready is the same for all kinds, and comes first."""
    parts = ["## Ready", reasons.READY.meaning, _reasons(reasons.READY)]
    for kind in KINDS:
        parts.append(f"## {kind.kind}")
        for condition in reasons.conditions_of(kind.kind):
            if condition != reasons.READY:
                parts += [f"### {condition}", _about(condition), _reasons(condition)]
    rows = [(f"`{event}`", ", ".join(event.kinds), event.meaning) for event in reasons.EVENTS.values()]
    parts += ["## Events", "Events that don't report a condition.", table(("reason", "on", "meaning"), rows)]
    return "\n\n".join(parts)


def _about(condition: ConditionType) -> str:
    return condition.meaning if condition.good == "True" else f"{condition.meaning} The good status is False."


def _reasons(condition: ConditionType) -> str:
    rows = [(f"`{reason}`", reason.meaning, reason.remedy) for reason in reasons.reasons_of(condition)]
    return table(("reason", "meaning", "what to do"), rows)


def _overview(kind: str) -> str:
    """Return the conditions of a kind with the names of their reasons."""
    rows = []
    for condition in reasons.conditions_of(kind):
        names = [f"`{reason}`" for reason in reasons.reasons_of(condition)]
        if condition == reasons.READY:
            names.append("the reason of the condition that prevents it")
        rows.append((f"[`{condition}`](conditions.md#{condition.lower()})", ", ".join(names)))
    return table(("condition", "reasons"), rows)
