"""Lists: isSorted, sum, min, max, indexOf, lastIndexOf, includes. The runtime has the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from .declare import BOOL, DYN, INT, LIST, member, no_overload

_NUMBER = "number"
_ORDERED = {
    bool: "bool",
    int: _NUMBER,
    float: _NUMBER,
    str: "text",
    bytes: "bytes",
    bytearray: "bytes",
    timedelta: "duration",
    datetime: "time",
}


def _is_sorted(items: list[Any]) -> bool:
    for item in items:
        _order(item)
    return not any(_greater(a, b) for a, b in pairwise(items))


def _extreme(name: str, better: Callable[[Any, Any], bool]) -> Callable[[list[Any]], Any]:
    def find(items: list[Any]) -> Any:
        if not items:
            raise ValueError(f"{name} called on empty list")
        found = items[0]
        for item in items:
            _order(item)
            if better(item, found):
                found = item
        return found

    return find


def _sum(items: list[Any]) -> Any:
    kinds = {type(item) for item in items}
    if not kinds:
        return 0
    if len(kinds) > 1 or not kinds <= {int, float, timedelta}:
        raise no_overload()
    total = sum(items, start=kinds.pop()())
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        raise ValueError("integer overflow")
    return total


def _index(items: list[Any], item: Any) -> int:
    return next((i for i, other in enumerate(items) if _equal(other, item)), -1)


def _last_index(items: list[Any], item: Any) -> int:
    return next((i for i in range(len(items) - 1, -1, -1) if _equal(items[i], item)), -1)


def _includes(value: Any, item: Any) -> bool:
    return any(_equal(other, item) for other in value) if isinstance(value, list) else _equal(value, item)


def _order(item: Any) -> str:
    try:
        return _ORDERED[type(item)]
    except KeyError:
        raise no_overload() from None


def _greater(a: Any, b: Any) -> bool:
    """Say whether a stands behind b. As in the API server, what can't be compared doesn't."""
    return _order(a) == _order(b) and bool(a > b)


def _equal(a: Any, b: Any) -> bool:
    """Say whether CEL calls them equal: numbers by value whatever their type, but true isn't 1 as in Python."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


FUNCTIONS = (
    member("isSorted", BOOL, LIST, by=_is_sorted),
    member("sum", DYN, LIST, by=_sum),
    member("min", DYN, LIST, by=_extreme("min", lambda item, found: _greater(found, item))),
    member("max", DYN, LIST, by=_extreme("max", _greater)),
    member("indexOf", INT, LIST, DYN, by=_index),
    member("lastIndexOf", INT, LIST, DYN, by=_last_index),
    member("includes", BOOL, DYN, DYN, by=_includes),
)
