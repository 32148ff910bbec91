"""Regular expressions with RE2's syntax and semantics, as the API server has them: matches, find, findAll.

cel-expr-python 0.1.3 compiles a pattern at every ``matches`` (5 ms for some), so ours stands in its place. A pattern that is
written in the expression is passed by its number, which the runtime doesn't keep as it keeps texts.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .declare import BOOL, INT, LIST, STRING, function, member

MATCHES = "daulatMatches"
"""What ``matches`` is called where an expression is compiled."""
_numbers: dict[str, int] = {}
_patterns: list[str] = []


def number_of(pattern: str) -> int:
    """Return the number by which MATCHES takes the pattern."""
    number = _numbers.setdefault(pattern, len(_patterns))
    if number == len(_patterns):
        _patterns.append(pattern)
    return number


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    import re2  # noqa: PLC0415 (it takes 5 ms, and most policies need none)

    options = re2.Options()
    options.log_errors = False  # It would write to standard error.
    try:
        return re2.compile(pattern.encode(), options)  # type: ignore[no-untyped-call]
    except re2.error as error:
        raise ValueError(f"Illegal regex: {error}") from error


def _matches(text: str, pattern: str | int) -> bool:
    regex = _compiled(_patterns[pattern] if isinstance(pattern, int) else pattern)
    return regex.search(text.encode()) is not None


def _find(text: str, pattern: str) -> str:
    found = _compiled(pattern).search(text.encode())
    return found[0].decode(errors="replace") if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """Return the matches that Go's FindAllString finds: an empty one doesn't count directly behind another."""
    regex, data = _compiled(pattern), text.encode()
    found: list[str] = []
    start, behind = 0, -1
    while start <= len(data) and (limit < 0 or len(found) < limit):
        match = regex.search(data, start)
        if match is None:
            break
        first, last = match.span()
        if last > start:
            start = last
        else:
            start += _width(data, start)
            if first == behind:
                continue
        behind = last
        found.append(data[first:last].decode(errors="replace"))
    return found


def _width(data: bytes, at: int) -> int:
    """Return how many bytes the character there has; 1 at the end."""
    lead = data[at] if at < len(data) else 0
    return 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


FUNCTIONS = (
    *(
        declare(MATCHES, BOOL, STRING, pattern, by=_matches)
        for declare in (member, function)
        for pattern in (STRING, INT)
    ),
    member("find", STRING, STRING, STRING, by=_find),
    member("findAll", LIST, STRING, STRING, by=_find_all),
    member("findAll", LIST, STRING, STRING, INT, by=_find_all),
)
