"""What passes for a licence is one to a parser of SPDX expressions as well, and what SUP-04 lets by is allowed by what it says."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from daulat.api.licenses import FORM, MISPLACED
from daulat.cel.evaluator import evaluate_all
from daulat.controls import library
from daulat.controls.library import Example
from tests.requests import manifests_of, request_of

ALLOWED = ("MIT", "Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0")
OTHERS = (
    "GPL-2.0-only",
    "ISC",
    "LicenseRef-deepseek",
    "GPL-2.0-only WITH LLVM-exception",
    "MIT WITH Linux-syscall-note",
)
WORDS = (*"()", "AND", "OR", "WITH", "MIT", "ISC", "Classpath-exception-2.0", "eCos-2.0", "", "+")


@cache
def spdx() -> Any:
    return get_spdx_licensing()


def parsed(text: str, *, strict: bool = True) -> Any:
    """Return what a parser of SPDX expressions makes of a text; None where it makes nothing of it."""
    try:
        return spdx().parse(text, strict=strict)
    except Exception:  # noqa: BLE001 - for some texts the parser fails by other errors than its own
        return None


def is_form(text: str) -> bool:
    return bool(re.search(FORM, text.lower())) and not re.search(MISPLACED, text.lower())


def allowed(expression: Any) -> bool:
    """Say whether the allowed licences satisfy an expression."""
    symbols = {s: str(s) in ALLOWED for s in expression.symbols}
    true, false = spdx().TRUE, spdx().FALSE
    return bool(expression.subs({s: true if fine else false for s, fine in symbols.items()}, simplify=True) == true)


@cache
def _manifests() -> Any:
    control = next(c for c in library.controls() if c.id == "SUP-04")
    example = Example(name="", policy={"models": {"licenses": list(ALLOWED)}})
    return control, manifests_of(control, example)


def passes(text: str) -> bool:
    control, manifests = _manifests()
    request = request_of(control, Example(name="", object={"spec": {"model": {"license": text}}}))
    return not any(v.violations for v in evaluate_all(manifests, request))


@st.composite
def expressions(draw: st.DrawFn, depth: int = 2) -> str:
    """An expression in our form: parentheses two deep."""
    terms = st.sampled_from((*ALLOWED, *OTHERS))
    if depth:
        terms = st.one_of(terms, expressions(depth=depth - 1).map("({})".format))
    text = draw(terms)
    for _ in range(draw(st.integers(0, 2))):
        text += f" {draw(st.sampled_from(['AND', 'OR']))} {draw(terms)}"
    return text


CASES = st.sampled_from([str, str.lower, str.upper, str.swapcase])


@settings(max_examples=500)
@given(expressions(), CASES)
def test_an_expression_in_any_letter_case_has_the_form(text: str, case: Any) -> None:
    assert parsed(text) is not None
    assert is_form(case(text))


@settings(max_examples=1500)
@given(st.lists(st.sampled_from(WORDS), max_size=9), st.lists(st.sampled_from(["", " ", " "]), min_size=9, max_size=9))
def test_what_no_parser_understands_has_not_the_form(words: list[str], spaces: list[str]) -> None:
    text = "".join(w + s for w, s in zip(words, spaces, strict=False)).removesuffix(" ")
    if is_form(text):
        # Not strictly: to our form an exception's name is an id like any other, where a licence belongs.
        assert parsed(text, strict=False) is not None


@pytest.mark.parametrize(
    "text", ["", "()", "(AND)", "AND", "MIT AND", "(MIT", "MIT)", "MIT ISC", "MIT WITH", "MIT WITH ISC"]
)
def test_what_is_no_licence_passes_nowhere(text: str) -> None:
    assert not is_form(text)
    assert parsed(text) is None
    assert not text or not passes(text)


@settings(max_examples=150, deadline=None)
@given(expressions(), CASES)
def test_what_passes_is_allowed_by_what_the_expression_says(text: str, case: Any) -> None:
    expression = parsed(text)
    assert expression is not None
    if passes(case(text)):
        assert allowed(expression)
    if "(" not in text:
        assert passes(case(text)) == allowed(expression)


def test_every_exception_of_spdx_can_be_named() -> None:
    named = [s for s in spdx().known_symbols.values() if s.is_exception and not s.key.startswith("LicenseRef-")]
    assert len(named) > 50
    assert [s.key for s in named if not is_form(f"MIT WITH {s.key}")] == []
