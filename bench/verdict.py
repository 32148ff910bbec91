"""Figures with their aims, as a table. A figure without an aim is for information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

WIDTH = 190


@dataclass(frozen=True)
class Figure:
    """One measurement. ``value`` is None if it couldn't be measured; the note says why."""

    name: str
    value: float | None
    unit: str = ""
    aim: float | None = None
    """The largest acceptable value."""
    below: bool = False
    """Whether the value has to be less than the aim, rather than at most the aim."""
    exact: bool = False
    """Whether it counts errors: a missed aim is then a defect, not slowness."""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without an aim. An aim without a measurement isn't met."""
        if self.aim is None:
            return None
        if self.value is None:
            return False
        return self.value < self.aim if self.below else self.value <= self.aim

    @property
    def verdict(self) -> str:
        """The same as a word."""
        if self.met is None:
            return ""
        if self.met:
            return "exact" if self.exact else "met"
        return "WRONG" if self.exact else "missed"


def under(name: str, value: float | None, aim: float, unit: str, note: str = "") -> Figure:
    """Return a figure that should be below its aim."""
    return Figure(name, value, unit, aim, below=True, note=note)


def none(name: str, value: float | None, note: str = "", exact: bool = False) -> Figure:
    """Return a count that should be zero."""
    return Figure(name, value, "", 0, exact=exact, note=note)


def number(value: float, unit: str = "") -> str:
    """Return a number with three digits that matter, and its unit."""
    size = abs(value)
    text = f"{value:.0f}" if size >= 100 or value == int(value) else f"{value:.1f}" if size >= 10 else f"{value:.2g}"
    return f"{text} {unit}".strip()


def table(title: str, figures: Sequence[Figure]) -> Table:
    """Return the figures, each with its aim and whether it's met."""
    made = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for heading in ("figure", "measured", "aim", "", ""):
        made.add_column(heading, justify="right" if heading in ("measured", "aim") else "left")
    for figure in figures:
        value = "-" if figure.value is None else number(figure.value, figure.unit)
        aim = "" if figure.aim is None else f"{'<' if figure.below else '≤'} {number(figure.aim, figure.unit)}"
        made.add_row(figure.name, value, aim, figure.verdict, figure.note)
    return made


def tell(title: str, figures: Sequence[Figure]) -> None:
    """Print the figures."""
    show(table(title, figures))


def show(found: Table) -> None:
    """Print a table, wide where no window limits it."""
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else WIDTH
    console.print(found)
    console.print()


def wrong(figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures that show a defect."""
    return [f for f in figures if f.exact and f.met is False]
