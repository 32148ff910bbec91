"""Reads one JSON value as kubectl does, or says what is wrong and where."""

from __future__ import annotations

import json
from typing import Any

from .yaml_reader import MAX_DEPTH, Flaw


def read_json(text: str) -> tuple[Any, list[Flaw]]:
    """Return the value, and the flaws that keep it from being used. ValueError for text that isn't JSON at all."""
    flaws: list[Flaw] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(items)
        if len(made) < len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    flaws.append(Flaw(_second(text, key), f'duplicate key "{key}"'))
                seen.add(key)
        return made

    def constant(name: str) -> Any:
        flaws.append(Flaw(text.find(name), f"unsupported value: {name}"))

    value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    if _deeper(value, MAX_DEPTH):
        flaws.append(Flaw(0, f"exceeds the maximum depth of {MAX_DEPTH} levels"))
        return None, flaws
    # Half of a surrogate pair is no text: Go puts U+FFFD there.
    return (_whole(value) if "\\u" in text else value), flaws


def _second(text: str, key: str) -> int:
    quoted = json.dumps(key, ensure_ascii=False)
    first = text.find(quoted)
    return max(text.find(quoted, first + 1), first, 0)


def _deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            inner
            for each in layer
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return False
    return True


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value
