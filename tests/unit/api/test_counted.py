"""Numbers of things in sentences, and lists of names that are cut, have one form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import daulat
from daulat.api.counted import few

_CUT_BY_HAND = re.compile(r"and \{[^{}]*\} more\"")


@pytest.mark.parametrize(
    ("names", "most", "told"),
    [
        ((), 3, ""),
        (("a",), 3, "a"),
        (("a", "b", "c"), 3, "a, b, c"),
        (("a", "b", "c", "d"), 3, "a, b, c and 1 more"),
        (("a", "b"), 1, "a and 1 more"),
    ],
)
def test_the_first_names_are_listed_and_the_others_counted(names: tuple[str, ...], most: int, told: str) -> None:
    assert few(names, most) == told


def test_names_that_are_cut_already_count_with_their_total() -> None:
    assert few(["a", "b"], 2, total=7) == "a, b and 5 more"
    assert few(["a", "b"], 2, total=2) == "a, b"


def test_sentences_are_divided_by_more_than_a_comma() -> None:
    assert few(["it is", "they are", "x"], 2, between="; ", last="; and ") == "it is; they are; and 1 more"


def test_no_module_cuts_a_list_of_names_by_itself() -> None:
    root = Path(daulat.__file__).parent
    written = {p: p.read_text(encoding="utf-8") for p in root.rglob("*.py") if p.name != "counted.py"}
    by_hand = sorted(str(p.relative_to(root)) for p, text in written.items() if _CUT_BY_HAND.search(text))
    # There, a verb stands between the names and the number of the others.
    assert by_hand == ["check/unjudged.py"]
