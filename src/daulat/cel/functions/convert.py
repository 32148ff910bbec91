"""Values of Kubernetes' own types as texts. Only addresses and networks have one."""

from __future__ import annotations

from typing import Any

from .declare import MAP, STRING, function, kind_of, no_overload


def _text(value: Any) -> str:
    if kind_of(value) == "ip":
        return str(value[1])
    if kind_of(value) == "cidr":
        return f"{value[1]}/{value[2]}"
    raise no_overload()


FUNCTIONS = (function("string", STRING, MAP, by=_text),)
