"""The evaluator in its plainest form, to hold the fast one against: every variable on its own, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel

from daulat.cel.environment import compiled
from daulat.cel.evaluator import Request
from daulat.cel.request import activation


def refused(policy: Mapping[str, Any], request: Request) -> tuple[bool, tuple[str, ...]]:
    """Say whether the policy refuses the request, and with which violations, sorted; none where it can't be evaluated."""
    data = activation(request)
    spec = policy["spec"]
    met = [_value(c["expression"], {**data, "namespaceObject": None}) for c in spec.get("matchConditions", ())]
    if False in met:
        return False, ()
    if not all(m is True for m in met):
        return True, ()
    values: dict[str, Any] = {}
    for variable in spec["variables"]:
        value = _value(variable["expression"], {**data, "variables": values})
        if value is not None:
            values[variable["name"]] = value
    for validation in spec["validations"]:
        if _value(validation["expression"], {**data, "variables": values}) is not True:
            return True, tuple(sorted(message for found in values.get("violations", ()) for message in found))
    return False, ()


def _value(expression: str, data: Mapping[str, Any]) -> Any:
    """Return the value; None where there is none. No expression of a policy is null."""
    result = compiled(expression).eval(data=dict(data))
    return None if result.type() == cel.Type.ERROR else result.plain_value()
