"""Text for people: lines that fit the terminal, in colour where it has any, and without control characters."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from dataclasses import dataclass, field
from typing import Self

import click

NARROWEST = 40
"""Columns that are assumed where a terminal claims to have fewer."""
NOT_A_TERMINAL = 100
"""Columns for a file or a pipe."""


def printable(text: str) -> str:
    """Return the text with every control character written as an escape, line ends too."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
        if not terminal or not sys.stdout.isatty():
            return cls()
        return cls(max(shutil.get_terminal_size().columns, NARROWEST), not os.environ.get("NO_COLOR"))

    def line(self, *parts: str) -> None:
        """Add a line of parts that ``styled`` returned."""
        self.lines.append("".join(parts))

    def wrapped(self, text: str, first: str, rest: str | None = None) -> None:
        """Add a text, wrapped to the width: ``first`` starts its first line, ``rest`` (or as many blanks) the others."""
        self.lines += textwrap.wrap(
            printable(text),
            self.width,
            initial_indent=first,
            subsequent_indent=" " * len(first) if rest is None else rest,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def styled(self, text: str, fg: str | None = None, bold: bool | None = None) -> str:
        """Return the text in a colour or in bold, where the page has colours."""
        text = printable(text)
        return click.style(text, fg=fg, bold=bold) if self.colour else text

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)
