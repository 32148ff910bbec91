"""Writes what a change does: as text that fits a terminal, and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from pydantic.alias_generators import to_camel

from daulat.api.counted import counted, few
from daulat.simulate.compare import Eviction, ModelChange, Outcome, PolicyChange
from daulat.simulate.standing import ModelStanding

from ..text import Page

MOST = 20
"""Entries of a section in a table. JSON and YAML have all of them."""
LONGEST = 400
"""Characters of a message in a table."""


def structured(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome for programs. docs/how-to/simulate.md has the keys."""
    return {"apiVersion": "simulate.daulat.dev/v1", "worse": outcome.worse, **_plain(outcome)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {to_camel(each.name): _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return str(value.value)
    return str(value) if isinstance(value, str) else value


def draw(outcome: Outcome, page: Page) -> None:
    """Write the outcome for people."""
    verdict = ("Something gets worse", "red") if outcome.worse else ("Nothing gets worse", "green")
    page.line(page.styled(verdict[0], verdict[1], bold=True))
    when = f"{counted(outcome.changes, 'change')}, simulated until {duration(outcome.seconds)} after it"
    page.wrapped(f"{when}, when nothing changes any more." if outcome.converged else f"{when}.", "")
    if not outcome.converged:
        page.line(page.styled("Not finished: something still changes then. --within sets a longer time.", "yellow"))
    if outcome.under_way:
        page.wrapped(
            f"Under way without the change: {counted(outcome.under_way, 'running pod ends', 'running pods end')}.", ""
        )
    _section(page, "Policies", map(_policy, outcome.policies))
    _section(page, "Models", map(_model, outcome.models))
    _section(page, "Running pods that end", map(_eviction, outcome.evictions))
    _section(page, "Pods without a node", ((f"{w.namespace}/{w.name}", [w.why]) for w in outcome.waiting))
    _section(
        page,
        "Running pods that would be refused if they were created again",
        (
            (
                f"{counted(r.pods, 'pod')} by policy {r.policy}: {few(r.sample, len(r.sample), total=r.pods)}",
                list(r.messages),
            )
            for r in outcome.refused
        ),
    )
    _section(
        page,
        "Exemptions",
        (
            (f"{e.name}: {'applies now' if e.active else 'applies no more'}", [f"{e.reason}: {e.message}"])
            for e in outcome.exemptions
        ),
    )
    page.line()
    page.line(page.styled("Not simulated", bold=True))
    for note in outcome.notes:
        page.wrapped(note, "  ")


def duration(seconds: float) -> str:
    """Return a time in words, as short as it can be."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if number]
    return "".join(parts) or "0s"


def _section(page: Page, title: str, entries: Iterable[tuple[str, list[str]]]) -> None:
    found = list(entries)
    if not found:
        return
    page.line()
    page.line(page.styled(title, bold=True))
    for head, lines in found[:MOST]:
        page.wrapped(head, "  ", "    ")
        for line in lines:
            page.wrapped(line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}...", "      ")
    if len(found) > MOST:
        page.line(f"  {len(found) - MOST} more: -o json has all of them")


def _policy(change: PolicyChange) -> tuple[str, list[str]]:
    was, will_be = change.before, change.after
    if was is None or will_be is None:
        there = will_be if was is None else was
        assert there is not None  # noqa: S101 - one of the two is there
        counts = f"{counted(there.eligible_nodes, 'eligible node')}, {counted(there.namespaces, 'namespace')}"
        problems = [f"{kind} {why}: {text}" for kind, (why, text) in there.problems.items()] if was is None else []
        return f"{change.name}: {'new' if was is None else 'removed'}, {counts}", problems
    parts = [
        f"{name} {before} -> {after}"
        for name, before, after in (
            ("eligible nodes", was.eligible_nodes, will_be.eligible_nodes),
            ("namespaces", was.namespaces, will_be.namespaces),
            ("evictions held by the brake", was.held, will_be.held),
        )
        if before != after
    ]
    problems = [
        f"{k} {why}: {text}" for k, (why, text) in will_be.problems.items() if was.problems.get(k) != (why, text)
    ]
    solved = [f"{kind} holds again" for kind in was.problems.keys() - will_be.problems.keys()]
    return f"{change.name}: {', '.join(parts) or 'its conditions'}", [*problems, *sorted(solved)]


def _model(change: ModelChange) -> tuple[str, list[str]]:
    name, after = f"{change.namespace}/{change.name}: {change.what}", change.after
    if change.what == "moved":
        return f"{name} from {_place(change.before)} to {_place(after)}", []
    if change.what in ("placed", "runs again"):
        return f"{name} in {_place(after)}", []
    return name, [f"{after.reason}: {after.message}"] if after is not None and after.reason else []


def _place(standing: ModelStanding | None) -> str:
    return f"{standing.zone} on {standing.accelerator}" if standing is not None else "nowhere"


def _eviction(each: Eviction) -> tuple[str, list[str]]:
    times = (
        duration(each.first)
        if round(each.first) == round(each.last)
        else f"{duration(each.first)} to {duration(each.last)}"
    )
    by = f" under {', '.join(each.policies)}" if each.policies else ""
    what = f"after {times}{by}: {counted(each.pods, 'pod')} on {counted(each.nodes, 'node')}"
    of = [f"of {counted(len(each.models), 'model')}: {few(each.models, 5)}"] if each.models else []
    return what, [each.why, *of, few(each.sample, len(each.sample), total=each.pods)]
