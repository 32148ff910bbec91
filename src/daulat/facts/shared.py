"""Values that thousands of facts have in common are kept once: at 5,000 nodes and 20,000 pods that is a tenth of the memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from sys import intern
from typing import Any, TypeVar

from daulat.api.frozen import FrozenDict

T = TypeVar("T", int, str)

KEPT = 4096
"""Different values of each sort; what is beyond that isn't shared."""


def shared_names(names: Iterable[str]) -> frozenset[str]:
    """Return the names as a set, the same object for the same names."""
    return _names(tuple(sorted(names)))


def shared_mapping(items: Mapping[str, T]) -> FrozenDict[str, T]:
    """Return a mapping, the same object for the same items: eight devices of a node have it, and those of a thousand like it."""
    found: FrozenDict[str, T] = _mapping(tuple(sorted(items.items())))
    return found


def shared_texts(texts: Mapping[str, str]) -> FrozenDict[str, str]:
    """Return a mapping whose keys and values are shared with others, such as the labels of an object."""
    return FrozenDict({intern(str(key)): intern(str(text)) for key, text in texts.items()})


@lru_cache(maxsize=KEPT)
def _names(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names)


@lru_cache(maxsize=KEPT)
def _mapping(items: tuple[tuple[str, Any], ...]) -> FrozenDict[str, Any]:
    return FrozenDict(dict(items))
