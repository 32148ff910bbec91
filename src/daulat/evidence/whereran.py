"""Answers where something ran, from an index that leads to a signed checkpoint. What isn't known is part of the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from daulat.ledger import entry
from daulat.ledger.checkpoint import Checkpoint
from daulat.ledger.reader import entry as read_entry
from daulat.ledger.store import Files

from .index import Index, Missed, Question, Stretch


@dataclass(frozen=True)
class Answer:
    """Where something ran, and when that wasn't observed."""

    stretches: tuple[Stretch, ...]
    gaps: tuple[Missed, ...]
    first: str
    """The time of the log's first entry; empty in an empty log. What ran before isn't in it."""
    last: str
    """The time of its newest entry. What ran later isn't in it."""


def ask(index: Index, asked: Question) -> Answer:
    """Return the answer to a question."""
    return Answer(
        tuple(index.stretches(asked)),
        tuple(index.gaps(asked.since, asked.until)),
        index.first_time(),
        index.last_time(),
    )


def referred(files: Files, head: Checkpoint, stretches: Sequence[Stretch]) -> Iterator[dict[str, Any]]:
    """Yield for each stretch the entries that it refers to, by field, each with its index as ``entry``."""
    known: dict[int, dict[str, Any]] = {}

    def load(number: int) -> dict[str, Any]:
        if number not in known:
            found = entry.parse(read_entry(files, number, head.size))
            known[number] = {"entry": number, "kind": found.kind, "time": found.time, **found.data}
        return known[number]

    for stretch in stretches:
        found: dict[str, Any] = {}
        for name in ("nodeEntry", "zoneEntry", "modelEntry"):
            if isinstance(number := stretch.data.get(name), int):
                found[f"{name.removesuffix('Entry')}Record"] = load(number)
        for name, of in (
            ("policyEntries", "policies"),
            ("exemptionEntries", "exemptions"),
            ("attestationEntries", "attestations"),
        ):
            if numbers := stretch.data.get(name):
                found[of] = [load(n) for n in numbers]
        yield found
