"""Python values as CEL literals. Lists are homogeneous, as the API server's CEL asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence

Constant = str | bool | Sequence[str]


def literal(value: Constant) -> str:
    """Return the value as CEL text. JSON's escapes are CEL's too, but for the two halves of a surrogate pair."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "[" + ", ".join(json.dumps(item, ensure_ascii=False) for item in value) + "]"
