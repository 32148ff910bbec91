"""Finds the field that a refusal names, in the object as it is in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from daulat.api.kinds import Manifest
from daulat.manifest.paths import CONTAINERS, Path, at, dotted, path_of

from .templates import Made

_MESSAGE = re.compile(
    r"^(?:[A-Z]{3}-[0-9]{2} )?(?P<field>[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+|\[\"[^\"]*\"\]|\[[0-9*]+\])*): "
)
_ANY = "spec.containers[*].resources"
"""How a message writes the field of a resource that one container or more request."""
_QUOTED = re.compile(r': "([^"]+)" ')


def field_of(message: str) -> str:
    """Return the field at the start of a refusal's sentence, or nothing where there is none."""
    found = _MESSAGE.match(message)
    return found["field"] if found else ""


def field_in(message: str, judged: Manifest) -> tuple[str, Path]:
    """Return the field that a refusal names, and its path in the object that was judged."""
    field = field_of(message)
    resource = _QUOTED.search(message) if field == _ANY else None
    for path in _requests(judged) if resource else ():
        if resource and isinstance(amounts := at(judged, path), dict) and resource[1] in amounts:
            return f'{_written(judged, path)}["{resource[1]}"]', (*path, resource[1])
    return field, path_of(judged, field)


def _requests(pod: Manifest) -> Iterator[Path]:
    """Yield the path of everything that says how much of which resources is requested."""
    spec = pod.get("spec")
    holders: list[Path] = [("spec",)]
    for key in CONTAINERS:
        own = spec.get(key) if isinstance(spec, dict) else None
        holders += [("spec", key, n) for n in range(len(own) if isinstance(own, list) else 0)]
    for holder in holders:
        value = at(pod, holder)
        resources = value.get("resources") if isinstance(value, dict) else None
        for part in ("limits", "requests"):
            if isinstance(resources, dict) and resources.get(part):
                yield (*holder, "resources", part)


def _written(pod: Manifest, path: Path) -> str:
    """Return the path as messages write it: containers by name, each as one of spec.containers."""
    if path[1] not in CONTAINERS:
        return dotted(path)
    return f'spec.containers["{at(pod, path[:3]).get("name")}"].{dotted(path[3:])}'


def in_owner(made: Made, path: Path, field: str) -> tuple[Path, str]:
    """Return a made object's path and field as those of the object that it is made of."""
    if made.rendered:
        return made.path, dotted(made.path)
    if made.origins is not None:
        where = _origin(made, made.origins, path)
        return where, dotted(where)
    if field == "spec" or field.startswith(("spec.", "spec[")):
        return (*made.spec_path, *path[1:]), dotted(made.spec_path) + field.removeprefix("spec")
    prefix = dotted(made.path)
    return (*made.path, *path), f"{prefix}.{field}" if prefix and field else field or prefix


def _origin(made: Made, origins: Mapping[Path, Path], path: Path) -> Path:
    """Return where a path of a made object stands in its owner: where it or its parts were copied from, or what it is a part of."""
    if path in origins:
        return origins[path]
    parts = [here for there, here in origins.items() if path and there[: len(path)] == path]
    if parts:
        same = 0
        while all(len(p) > same and p[same] == parts[0][same] for p in parts):
            same += 1
        return parts[0][:same]
    for depth in range(len(path) - 1, 0, -1):
        if path[:depth] in origins:
            return (*origins[path[:depth]], *path[depth:])
    return made.path
