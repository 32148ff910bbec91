"""Finds the field that a refusal speaks of, in the object as it stands in the file."""

from __future__ import annotations

import re
from typing import Any

from daulat.manifest.paths import dotted
from daulat.manifest.yaml_reader import Path

from .templates import Made

_MESSAGE = re.compile(
    r"^(?:[A-Z]{3}-[0-9]{2} )?(?P<field>[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+|\[\"[^\"]*\"\]|\[[0-9]+\])*): "
)
_STEP = re.compile(r"\.?([A-Za-z0-9_]+)|\[\"([^\"]*)\"\]|\[([0-9]+)\]")
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_NAMING = ("name", "profile", "user", "key", "host", "ip", "uri")
"""Fields by which messages tell items of a list apart."""


def field_of(message: str) -> str:
    """Return the field at the start of a refusal's sentence, or nothing where there is none."""
    found = _MESSAGE.match(message)
    return found["field"] if found else ""


def path_of(subject: Any, told: str) -> Path:
    """Return the path of a field in the object that was judged, as far as it is there."""
    path: list[str | int] = []
    value = subject
    for name, item, index in _STEP.findall(told):
        if name and isinstance(value, dict) and name in value:
            path.append(name)
            value = value[name]
        elif item and isinstance(value, dict) and item in value:
            path.append(item)
            value = value[item]
        elif item and isinstance(value, list) and (n := _named(value, item)) is not None:
            path.append(n)
            value = value[n]
        elif item and path and path[-1] in _CONTAINERS:
            # Messages call every container one of spec.containers.
            parent = at(subject, tuple(path[:-1]))
            for other in _CONTAINERS:
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


def in_owner(made: Made, path: Path, told: str) -> tuple[Path, str]:
    """Return a made object's path and field as those of the object that it is made of."""
    if made.rendered:
        return made.path, dotted(made.path)
    if told == "spec" or told.startswith(("spec.", "spec[")):
        return (*made.spec_path, *path[1:]), dotted(made.spec_path) + told.removeprefix("spec")
    prefix = dotted(made.path)
    return (*made.path, *path), f"{prefix}.{told}" if prefix and told else told or prefix


def at(value: Any, path: Path) -> Any:
    """Return what stands at a path that is known to be there."""
    for step in path:
        value = value[step]
    return value


def _named(items: Any, name: str) -> int | None:
    for n, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and any(item.get(key) == name for key in _NAMING):
            return n
    return None
