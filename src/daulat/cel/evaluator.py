"""Gives the verdict that the API server would give, from the same manifest. An expression that fails is a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from daulat.api.kinds import Manifest

from .functions import extension
from .request import Request, activation

__all__ = ["Request", "Verdict", "evaluate", "evaluate_all", "matches_resource"]

_ROOTS = ("object", "oldObject", "namespaceObject", "request", "authorizer", "variables")


@dataclass(frozen=True)
class Verdict:
    """Whether the request passes, and every reason why not."""

    allowed: bool
    message: str = ""
    error: bool = False
    """The policy couldn't be evaluated, so it refuses. The API server refuses too, in words of its own."""
    violations: tuple[str, ...] = ()
    """What the policy's variable of that name holds: one message a violation. Empty after an error."""


@cache
def _environment() -> Any:
    return cel.NewEnv(variables=dict.fromkeys(_ROOTS, cel.Type.DYN), extensions=[ext_strings.ExtStrings(), extension()])


@lru_cache(maxsize=4096)  # A process sees new revisions for as long as it lives.
def _compiled(expression: str) -> Any:
    return _environment().compile(expression)


def matches_resource(policy: Manifest, request: Request) -> bool:
    """Say whether the policy is asked about this resource and operation. Namespaces are the caller's to select."""
    for rule in policy["spec"]["matchConstraints"]["resourceRules"]:
        if (
            request.group in rule["apiGroups"]
            and request.version in rule["apiVersions"]
            and request.resource in rule["resources"]
            and request.operation in rule["operations"]
        ):
            return True
    return False


def evaluate(policy: Manifest, request: Request) -> Verdict:
    """Return the verdict of one ValidatingAdmissionPolicy on a request that it matches."""
    try:
        data = {**activation(request), "variables": {}}
        spec = policy["spec"]
        if not all(_value(c["expression"], data) is True for c in spec.get("matchConditions", ())):
            return Verdict(True)
        data["variables"] = _variables(spec.get("variables", ()), data)
        for validation in spec["validations"]:
            if _value(validation["expression"], data) is not True:
                told = data["variables"].get("violations")
                found = tuple(map(str, told)) if isinstance(told, list) else ()
                return Verdict(False, _message(spec, validation, data), violations=found)
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        return Verdict(False, f"the policy could not be evaluated: {error}", error=True)
    return Verdict(True)


def evaluate_all(policies: Sequence[Manifest], request: Request) -> list[Verdict]:
    """Return the refusals of every ValidatingAdmissionPolicy among the manifests that is asked about the request."""
    asked = [p for p in policies if p["kind"] == "ValidatingAdmissionPolicy" and matches_resource(p, request)]
    return [verdict for verdict in (evaluate(p, request) for p in asked) if not verdict.allowed]


def _message(spec: Manifest, validation: Mapping[str, str], data: Mapping[str, Any]) -> str:
    """Return the refusal's text. The API server has no authorizer where it works it out, not even in a variable."""
    if any("authorizer" in variable["expression"] for variable in spec.get("variables", ())):
        return validation["message"]
    message = str(_value(validation["messageExpression"], data)).strip()
    # The API server tells no message of several lines.
    return message if message and "\n" not in message else str(validation["message"])


def _variables(declared: Sequence[Mapping[str, str]], data: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable in declared:
        values[variable["name"]] = _value(variable["expression"], {**data, "variables": values})
    return values


def _value(expression: str, data: Mapping[str, Any]) -> Any:
    result = _compiled(expression).eval(data=dict(data))
    if result.type() == cel.Type.ERROR:
        raise ValueError(str(result.plain_value()))
    return result.plain_value()
