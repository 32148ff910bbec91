"""Reads lists of chips as suppliers and customs write them: CSV with a serial number, a UUID, or both."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from daulat.api.inventory import MAX_IDS
from daulat.api.kinds import Manifest
from daulat.facts.chips import canonical, usable
from daulat.manifest.document import Problem

HEADINGS = ("serial", "serial_number", "serial_no", "sn", "uuid", "gpu_uuid", "vdie_id", "chip", "chip_id", "id")
"""What columns with an id of the chip may be called, in upper or lower case, with blanks or signs between."""
_IDS = frozenset(name.replace("_", "") for name in HEADINGS)
_TERMS = {"delivery": "delivery", "permit": "permit", "permitdate": "permit_date", "received": "received"}
_ROUNDED = re.compile(r"^[0-9][.,][0-9]+[eE]\+[0-9]+$")
MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Terms:
    """What is said of chips that came together."""

    delivery: str
    permit: str = ""
    permit_date: str = ""
    received: str = ""

    def manifest(self) -> Manifest:
        """Return them as an item of ``spec.deliveries``."""
        found: Manifest = {"name": self.delivery}
        if self.permit:
            found["permit"] = {"reference": self.permit} | ({"date": self.permit_date} if self.permit_date else {})
        return found | ({"received": self.received} if self.received else {})


@dataclass
class Lot:
    """The chips of one delivery, as items of ``chips``."""

    terms: Terms
    chips: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Columns:
    ids: tuple[int, ...]
    terms: dict[str, int] = field(default_factory=dict)

    def of(self, cells: Sequence[str], column: int) -> str:
        return cells[column].strip() if column < len(cells) else ""


def read_list(text: str, file: str, terms: Terms) -> tuple[list[Lot], list[Problem]]:
    """Return the chips by delivery, in the order of the list, and what is wrong with its lines: the first 20 problems.

    ``terms``: what isn't in columns.
    """
    lots: dict[str, Lot] = {}
    seen: dict[str, int] = {}
    problems: list[Problem] = []
    columns: _Columns | None = None
    for number, cells in _lines(text):
        if columns is None:
            columns, is_header = _columns(cells)
            if is_header:
                if not columns.ids:
                    message = f"no column has ids of chips: call one {', '.join(HEADINGS[:-1])} or {HEADINGS[-1]}"
                    return [], [Problem(file, number, message)]
                continue
        own = replace(terms, **{name: v for name, at in columns.terms.items() if (v := columns.of(cells, at))})
        ids = list(dict.fromkeys(v for at in columns.ids if (v := columns.of(cells, at)) and _tells(v)))
        found = list(_mistakes([columns.of(cells, at) for at in columns.ids], ids, seen))
        lot = lots.setdefault(own.delivery, Lot(own))
        if lot.terms != own:
            found.append(f"delivery {own.delivery} has another permit or date than in the lines before")
        problems += [Problem(file, number, message) for message in found]
        lot.chips.append(",".join(ids))
        seen |= {canonical(each): number for each in ids if canonical(each) not in seen}
    if not seen and not problems:
        problems.append(Problem(file, 0, "has no chips"))
    return list(lots.values()), problems[:MOST_PROBLEMS]


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _columns(first: Sequence[str]) -> tuple[_Columns, bool]:
    names = [re.sub(r"[^a-z]", "", cell.lower()) for cell in first]
    ids = tuple(n for n, name in enumerate(names) if name in _IDS)
    terms = {_TERMS[name]: n for n, name in enumerate(names) if name in _TERMS}
    # A line without a digit is a heading, known or not: ids have some.
    is_header = bool(ids or terms) or not any(char.isdigit() for cell in first for char in cell)
    return (_Columns(ids, terms), True) if is_header else (_Columns(tuple(range(len(first)))), False)


def _tells(cell: str) -> bool:
    return usable(cell) and not _ROUNDED.match(cell)


def _mistakes(cells: Sequence[str], ids: Sequence[str], seen: dict[str, int]) -> Iterator[str]:
    for cell in cells:
        if _ROUNDED.match(cell):
            yield f'"{cell}" is a number that a spreadsheet has rounded: format the column as text, and export it again'
        elif cell and not usable(cell):
            yield f'"{cell[:64]}" is no id of a chip'
    if not any(cells):
        yield "no id"
    if len(ids) > MAX_IDS:
        yield f"{len(ids)} ids of one chip; at most {MAX_IDS} are kept"
    for each in ids:
        if canonical(each) in seen:
            yield f"id {each} is in line {seen[canonical(each)]} already"
