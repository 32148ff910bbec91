"""A figure is judged by its aim, and what couldn't be measured never meets one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.verdict import Figure, none, number, table, under, wrong


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (under("a", 59.9, 60, "s"), "met"),
        (under("a", 60, 60, "s"), "missed"),
        (Figure("a", 1.3, "", 1.3), "met"),
        (Figure("a", 1.31, "", 1.3), "missed"),
        (none("a", 0), "met"),
        (none("a", 1), "missed"),
        (none("a", 0, exact=True), "exact"),
        (none("a", 1, exact=True), "WRONG"),
        (Figure("a", 5.0), ""),
        (Figure("a", None), ""),
    ],
)
def test_a_figure_is_judged_by_its_aim(figure: Figure, verdict: str) -> None:
    assert figure.verdict == verdict


def test_what_could_not_be_measured_does_not_meet_its_aim() -> None:
    assert under("a", None, 60, "s").met is False
    assert none("a", None, exact=True).verdict == "WRONG"


def test_only_what_counts_defects_is_wrong_and_slowness_is_not() -> None:
    slow, defect = under("slow", 61, 60, "s"), none("defect", 1, exact=True)
    assert wrong([slow, defect, none("fine", 0, exact=True)]) == [defect]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (0.0123, "0.012 s"), (1.25, "1.2 s"), (45.67, "45.7 s"), (1234.5, "1234 s"), (3, "3 s")],
)
def test_numbers_have_the_digits_that_matter(value: float, text: str) -> None:
    assert number(value, "s") == text


def test_a_table_shows_value_aim_verdict_and_note_and_a_dash_for_what_is_not_there() -> None:
    out = io.StringIO()
    figures = [under("time", 2, 1, "s", "slow today"), Figure("block", None, note="not measured")]
    Console(file=out, width=120).print(table("all", figures))
    rows = [[cell.strip() for cell in row.split("│")] for row in out.getvalue().splitlines() if "│" in row]
    assert rows == [["time", "2 s", "< 1 s", "missed", "slow today"], ["block", "-", "", "", "not measured"]]
