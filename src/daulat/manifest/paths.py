"""Paths to values in an object: as steps, and as messages write them."""

from __future__ import annotations

import re
from typing import Any

Path = tuple[str | int, ...]

_WORD = re.compile(r"[A-Za-z0-9_]+")
_STEP = re.compile(r"\.?([A-Za-z0-9_]+)|\[\"([^\"]*)\"\]|\[([0-9]+)\]")
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
"""The lists of containers of a pod."""
_NAMING = ("name", "profile", "user", "key", "host", "ip", "uri")
"""Fields by which messages identify items of a list."""


def dotted(path: Path) -> str:
    """Return the path as text: ``spec.containers[0].image``, with quotes around what isn't a word."""
    return "".join(f"[{p}]" if isinstance(p, int) else _key(p) for p in path).lstrip(".")


def path_of(subject: Any, field: str) -> Path:
    """Return the path of a field as messages write it, as far as the object has it."""
    path: list[str | int] = []
    value = subject
    for name, item, index in _STEP.findall(field):
        if name and isinstance(value, dict) and name in value:
            path.append(name)
            value = value[name]
        elif item and isinstance(value, dict) and item in value:
            path.append(item)
            value = value[item]
        elif item and isinstance(value, list) and (n := _named(value, item)) is not None:
            path.append(n)
            value = value[n]
        elif item and path and path[-1] in CONTAINERS:
            # Messages call every container one of spec.containers.
            parent = at(subject, tuple(path[:-1]))
            for other in CONTAINERS:
                n = _named(parent.get(other), item)
                if n is not None:
                    path[-1:] = [other, n]
                    value = parent[other][n]
                    break
            else:
                break
        elif index and isinstance(value, list) and int(index) < len(value):
            path.append(int(index))
            value = value[int(index)]
        else:
            break
    return tuple(path)


def at(value: Any, path: Path) -> Any:
    """Return the value at a path, which must exist."""
    for step in path:
        value = value[step]
    return value


def _key(name: str) -> str:
    return f".{name}" if _WORD.fullmatch(name) else f'["{name}"]'


def _named(items: Any, name: str) -> int | None:
    for n, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and any(item.get(key) == name for key in _NAMING):
            return n
    return None
