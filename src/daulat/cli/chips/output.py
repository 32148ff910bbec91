"""What ``daulat chips`` prints: a table for people, CSV for a registry, one document for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from daulat.api.counted import counted, either
from daulat.placement.chips import State

from ..structured import WRITERS
from ..text import aligned, printable, terminal_width, wrapped
from .rows import Row, counts, problems

FORMATS = ("table", "csv", *WRITERS)
_COLUMNS = ("CHIP", "STATE", "NODE", "ZONE", "COUNTRY", "SINCE", "NOT SEEN SINCE", "PERMIT")
_FIELDS = (
    ("chip", "chip"),
    ("ids", "ids"),
    ("state", "state"),
    ("node", "node"),
    ("zone", "zone"),
    ("country", "country"),
    ("since", "since"),
    ("absentSince", "absent_since"),
    ("model", "model"),
    ("source", "source"),
    ("inventory", "inventory"),
    ("delivery", "delivery"),
    ("received", "received"),
    ("permit", "permit"),
    ("permitDate", "permit_date"),
    ("problems", "problems"),
)
_FORMULA = ("=", "+", "-", "@")


def formatted(found: Sequence[Row], form: str) -> str:
    """Return the chips in a format."""
    if form == "table":
        return _table(found)
    if form == "csv":
        return _csv(found)
    chips = [{key: _plain(getattr(row, name)) for key, name in _FIELDS} for row in found]
    by_state = {str(state): number for state, number in counts(found).items()}
    document = {"apiVersion": "chips.daulat.dev/v1", "kind": "ChipList", "counts": by_state, "chips": chips}
    return WRITERS[form](document)


def _table(found: Sequence[Row]) -> str:
    lines: list[tuple[str, ...]] = [_COLUMNS]
    for row in found:
        cells = (row.chip, str(row.state), row.node, row.zone, row.country, row.since, row.absent_since, row.permit)
        lines.append(tuple(cell or "-" for cell in cells))
    # Columns of which nothing is known take no room.
    kept = [n for n in range(len(_COLUMNS)) if n < 2 or any(line[n] != "-" for line in lines[1:])]
    width = terminal_width()
    rows = aligned([[line[n] for n in kept] for line in lines], width)
    text = "".join(f"{line}\n" for line in rows)
    numbers = ", ".join(f"{number} {state}" for state, number in counts(found).items() if number)
    text += f"\n{counted(len(found), 'chip')}{f': {numbers}' if numbers else ''}\n"
    doubtful = [row for row in found if row.problems]
    if doubtful:
        text += f"\n{counted(problems(found), 'chip')} {either(len(doubtful), 'does', 'do')}n't add up:\n"
        said = (f"{row.chip} {'; '.join(row.problems)}" for row in doubtful)
        text += "".join(f"{line}\n" for each in said for line in wrapped(each, width, "  ", "    "))
    return text


def _csv(found: Sequence[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([key for key, _ in _FIELDS])
    for row in found:
        writer.writerow([_cell(_plain(getattr(row, name))) for _, name in _FIELDS])
    return out.getvalue()


def _cell(value: Any) -> str:
    text = printable("; ".join(value) if isinstance(value, list) else str(value))
    # A node's or a chip's name isn't ours: a spreadsheet would run it as a formula.
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(value: object) -> Any:
    if isinstance(value, State):
        return value.value
    return list(value) if isinstance(value, tuple) else value
