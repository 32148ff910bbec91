"""docs/explanation/threats.md has every way round that is tried, and names only tests, controls and checks that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from daulat.controls import library
from daulat.doctor.catalog import checks
from dev.pages import page

ROOT = Path(__file__).parents[2]
ROWS = range(1, 36)
"""Ways round are numbered for good, so that tests, issues and reviews can name them."""


def rows() -> list[list[str]]:
    """Return the cells of every row of a table that names a test."""
    lines = (ROOT / page("threats")).read_text().splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if re.search(r"`(row|more|evidence)_", line)
    ]


def named() -> list[str]:
    return [name for row in rows() for name in re.findall(r"`((?:row|more|evidence)_\w+)`", row[4])]


def tried() -> set[str]:
    found = set()
    for path in [
        *(ROOT / "tests" / "bypass").glob("test_*.py"),
        ROOT / "tests" / "unit" / "evidence" / "test_attempts.py",
    ]:
        functions = (n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef))
        found |= {f.name.removeprefix("test_") for f in functions if f.name.startswith("test_")}
    return found


def test_every_test_is_named_once_and_every_named_test_is_there() -> None:
    assert len(named()) == len(set(named()))
    assert set(named()) == tried()


def test_every_way_round_has_a_row_with_its_number() -> None:
    assert {int(row[0]) for row in rows() if row[0]} == set(ROWS)
    for number, *_, tests in rows():
        prefixes = {name.split("_")[1] for name in re.findall(r"`(row_\w+)`", tests)}
        assert prefixes == ({f"{int(number):02}"} if number else set()), tests


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[4].strip("`").split("`")[0])
def test_a_row_says_what_stops_it_by_ids_that_there_are(row: list[str]) -> None:
    assert len(row) == 5
    _, what, stop, doctor, _ = row
    assert what
    assert stop
    assert set(re.findall(r"\b[A-Z]{3}-\d\d\b", stop)) <= library.ids()
    assert set(re.findall(r"DOC-\d\d", doctor)) <= set(checks())
    if "not at admission" in stop or "Admission can't" in stop or "aren't read" in stop:
        assert doctor
