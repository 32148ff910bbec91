"""No value can break out of a CEL literal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.admission.literals import literal
from daulat.cel.evaluator import Request, evaluate
from tests.strategies import TEXT
from tests.unit.cel.test_evaluator import admission


def is_read_back(value: str) -> bool:
    return evaluate(admission(f"object.value == {literal(value)}"), Request({"kind": "X", "value": value})).allowed


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "'",
        "\\",
        '\\"',
        "\n",
        "\r\n",
        "\t\x01\x7f",
        "\u2028\u2029\x85",
        "é",
        "😀",
        "${x}",
        '" + object.x + "',
        "\ufeff",
    ],
)
def test_a_hostile_text_is_read_back_as_it_is(text: str) -> None:
    assert is_read_back(text)


@settings(max_examples=150)
@given(TEXT)
def test_any_text_is_read_back_as_it_is(text: str) -> None:
    assert is_read_back(text)


@settings(max_examples=50)
@given(st.lists(TEXT, max_size=4))
def test_any_list_of_texts_is_read_back_as_it_is(texts: list[str]) -> None:
    assert evaluate(admission(f"object.value == {literal(texts)}"), Request({"kind": "X", "value": texts})).allowed


def test_booleans_are_cels() -> None:
    assert (literal(True), literal(False), literal([])) == ("true", "false", "[]")


def test_a_literal_keeps_a_nul_character() -> None:
    assert evaluate(admission(f"size({literal('a' + chr(0) + 'b')}) == 3"), Request({"kind": "X"})).allowed
