"""Python values as CEL literals. Lists and maps are homogeneous, as the API server's CEL asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

TEXT = r"""\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"""
"""A regular expression for a text in CEL, as controls write it: what stands in one refers to nothing."""
Constant = str | bool | int | Sequence[str] | Mapping[str, str]


def literal(value: Constant) -> str:
    """Return the value as CEL text. JSON's escapes are CEL's too, but for the two halves of a surrogate pair."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in sorted(value.items())) + "}"
    return "[" + ", ".join(json.dumps(item, ensure_ascii=False) for item in value) + "]"
