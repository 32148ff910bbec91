"""Text for people: lines that fit the terminal, in colour where it has any, and without control characters."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Self

import click

NARROWEST = 40
"""Columns that are assumed where a terminal claims to have fewer."""
WORD = 12
"""Characters of a word that a column of a table has room for, where it has longer ones."""
NOT_A_TERMINAL = 100
"""Columns for a file or a pipe."""

_DATE = re.compile(r"(\d{4}-\d\d-\d\dT)(?=\d)")


def printable(text: str) -> str:
    """Return the text with every control character written as an escape, line ends too."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def wrapped(text: str, width: int | None, first: str = "", rest: str = "") -> list[str]:
    """Return the text, made printable, in lines that begin with ``first`` and ``rest``. Words are kept whole.

    ``width`` None: one line.
    """
    if width is None:
        return [first + printable(text)]
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def terminal_width() -> int | None:
    """Return the columns of the terminal that standard output is; None where it is a file or a pipe."""
    return max(shutil.get_terminal_size().columns, NARROWEST) if sys.stdout.isatty() else None


def aligned(rows: Sequence[Sequence[str]], width: int | None, gap: str = "  ") -> list[str]:
    """Return rows of cells as lines with aligned columns, the first row being the heads. Cells are made printable.

    Where a terminal is narrower than the table, the widest columns get narrower, and their cells go on in the lines below. Where
    even that has no room for words, each row is a block with a line for each column. In a file (``width`` None) each row is one
    line, so that other programs can read it.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    if width is not None:
        room = width - len(gap) * (len(widths) - 1)
        least = [min(max(len(word) for cell in column for word in cell.split() or [""]), WORD) for column in columns]
        if sum(least) > room:
            return _blocks(cells, width, gap)
        while sum(widths) > room:
            spare = [width - floor for width, floor in zip(widths, least, strict=True)]
            widest = max((n for n in range(len(widths)) if spare[n] > 0), key=widths.__getitem__)
            widths[widest] -= 1
    return [
        gap.join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for row in cells
        for line in zip_longest(*map(_folded, row, widths), fillvalue="")
    ]


def _blocks(cells: Sequence[Sequence[str]], width: int, gap: str) -> list[str]:
    heads = cells[0]
    indent = max(map(len, heads)) + len(gap)
    lines: list[str] = []
    for row in cells[1:]:
        lines += [""] if lines else []
        for head, cell in zip(heads, row, strict=True):
            first, *others = _folded(cell, max(width - indent, WORD))
            lines += [head.ljust(indent) + first, *(" " * indent + other for other in others)]
    return lines


def _folded(cell: str, width: int) -> list[str]:
    if len(cell) <= width:
        return [cell]
    # A time goes on in the next line after its date.
    return textwrap.wrap(_DATE.sub(r"\1 ", cell), width, break_on_hyphens=False)


@dataclass
class Page:
    """Lines that are written one below the other. Whatever text is added is made printable first."""

    width: int = NOT_A_TERMINAL
    """Columns."""
    colour: bool = False
    lines: list[str] = field(default_factory=list)

    @classmethod
    def for_output(cls, *, terminal: bool = True) -> Self:
        """Return an empty page for standard output; for a file where ``terminal`` is false. NO_COLOR turns colours off."""
        width = terminal_width() if terminal else None
        return cls() if width is None else cls(width, not os.environ.get("NO_COLOR"))

    def line(self, *parts: str) -> None:
        """Add a line of parts that ``styled`` returned."""
        self.lines.append("".join(parts))

    def wrapped(self, text: str, first: str, rest: str | None = None, fg: str | None = None) -> None:
        """Add a text, wrapped to the width: ``first`` starts its first line, ``rest`` (or as many blanks) the others."""
        lines = wrapped(text, self.width, first, " " * len(first) if rest is None else rest)
        self.lines += [self.styled(line, fg) for line in lines] if fg else lines

    def styled(self, text: str, fg: str | None = None, bold: bool | None = None) -> str:
        """Return the text in a colour or in bold, where the page has colours."""
        text = printable(text)
        return click.style(text, fg=fg, bold=bold) if self.colour else text

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)
