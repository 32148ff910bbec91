"""Says how a live object differs from the one that was rendered, defaults and what webhooks add left aside.

Server-side apply owns what it sent, so additions stay. Who added them can't be told by field managers alone: a writer may call
itself as it likes, and may take the entry of its own fields away. So the live object is compared with a dry run of the rendered
one. That costs a request, so what a dry run, or the creation of an object, has added is remembered by kind, field and value: an
object with nothing else beyond what was rendered is as it was rendered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from daulat.api.kinds import Manifest

from .merged import RESTARTED

Extra = tuple[str, str]
"""A field beyond what was rendered, list indices left out, and its value as JSON."""
MOST = 20_000
"""Extras that are remembered. A cluster has a few dozen by kind, unless a webhook adds something else to each object."""
_ALLOCATED = {"Service": frozenset({"clusterIP", "clusterIPs"})}
"""Fields that have another value in each object, and that can't be changed."""


class Defaults:
    """What the API server and its webhooks add to rendered objects, as far as it has been seen."""

    def __init__(self) -> None:
        self._known: set[tuple[str, Extra]] = set()

    def learn(self, kind: str, spec: Manifest, rendered: Manifest) -> None:
        """Take in what a new object, or a dry run of one, has beyond what was rendered."""
        if len(self._known) >= MOST:
            self._known.clear()
        self._known.update((kind, extra) for extra in extras(comparable(kind, spec), comparable(kind, rendered)))

    def explain(self, kind: str, spec: Manifest, rendered: Manifest) -> bool:
        """Say whether everything beyond what was rendered has been seen as a default."""
        found = extras(comparable(kind, spec), comparable(kind, rendered))
        return all((kind, extra) in self._known for extra in found)


def comparable(kind: str, spec: Manifest) -> Manifest:
    """Return a spec without what is allocated for each object, and without nulls and the mark of a restart."""
    kept = {k: v for k, v in _without_nulls(spec).items() if k not in _ALLOCATED.get(kind, ())}
    template = kept.get("template")
    metadata = template.get("metadata") if isinstance(template, Mapping) else None
    if isinstance(template, Mapping) and isinstance(metadata, Mapping):
        metadata = {k: v for k, v in metadata.items() if k != "creationTimestamp"}
        notes = {k: v for k, v in (metadata.pop("annotations", None) or {}).items() if k != RESTARTED}
        kept["template"] = {**template, "metadata": {**metadata, **({"annotations": notes} if notes else {})}}
    return kept


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Yield the fields in which two values differ, each only as deep as both have it."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            where = f"{path}.{key}" if path else str(key)
            if key not in one or key not in other:
                yield where
            else:
                yield from differences(one[key], other[key], where)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from differences(first, second, f"{path}[{number}]")
    elif one != other:
        yield path


def extras(live: Any, rendered: Any, path: str = "") -> Iterator[Extra]:
    """Yield what a live value has beyond a rendered one. A list that wasn't rendered is one value, and so is a further entry."""
    if isinstance(live, Mapping) and live:
        own = rendered if isinstance(rendered, Mapping) else {}
        for key, value in live.items():
            yield from extras(value, own.get(key), f"{path}.{key}")
    elif isinstance(live, list) and isinstance(rendered, list):
        for number, value in enumerate(live):
            if number < len(rendered):
                yield from extras(value, rendered[number], f"{path}[]")
            else:
                yield f"{path}[]", json.dumps(value, sort_keys=True)
    elif live != rendered:
        yield path, json.dumps(live, sort_keys=True)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value
