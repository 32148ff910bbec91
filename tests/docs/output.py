"""Compares what a command prints with what its page shows: as doctest does, whatever differs from one run to the next left out."""

from __future__ import annotations

import re
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, Example, OutputChecker

_FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE
_EACH_TIME = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\b(v1\.\d+|kwok-\d+)\.\d+\S*"), "VERSION"),
    (re.compile(r"(?<![\w.-])(\d+[dhms])+(?![\w.-])|(?<![\w.-])\d+ s\b"), "AGE"),
)


def timeless(text: str) -> str:
    """Return a text with words for what is another one each time: UIDs, times, ages, versions of Kubernetes."""
    for pattern, word in _EACH_TIME:
        text = pattern.sub(word, text)
    return text


def is_shown(shown: str, printed: str, exact: bool = False) -> bool:
    """Say whether a page shows what was printed. `...` stands for any text, a run of spaces or line ends for any other.

    A last line of `...` stands for no line as well: how many Events there are, for instance, differs from run to run.
    """
    if not exact:
        shown, printed = timeless(shown), timeless(printed)
    shown = _ended(shown)
    ways = {shown, shown.removesuffix("\n...\n") + "\n"}
    return any(OutputChecker().check_output(way, _ended(printed), _FLAGS) for way in ways)


def difference(shown: str, printed: str) -> str:
    """Return both texts, for a message."""
    return OutputChecker().output_difference(Example("", _ended(shown)), _ended(printed), _FLAGS)


def _ended(text: str) -> str:
    return text.strip() + "\n"
