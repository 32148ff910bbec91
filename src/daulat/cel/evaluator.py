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

_ROOTS = ("object", "oldObject", "request", "authorizer", "variables")


@dataclass(frozen=True)
class Request:
    """What is asked of the API server, as an admission policy sees it."""

    object: Manifest
    old_object: Manifest | None = None
    operation: str = "CREATE"
    resource: str = "pods"
    group: str = ""
    version: str = "v1"
    namespace: str = ""
    user: str = ""
    user_groups: tuple[str, ...] = ()
    allowed: frozenset[str] = frozenset()
    """GROUP/RESOURCE/VERB that the user is authorized for."""


@dataclass(frozen=True)
class Verdict:
    """Whether the request passes, and every reason why not."""

    allowed: bool
    message: str = ""
    error: bool = False
    """The policy couldn't be evaluated, so it refuses."""


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
        data = _activation(request)
        spec = policy["spec"]
        if not all(_value(c["expression"], data) is True for c in spec.get("matchConditions", ())):
            return Verdict(True)
        data["variables"] = _variables(spec.get("variables", ()), data)
        for validation in spec["validations"]:
            if _value(validation["expression"], data) is not True:
                return Verdict(False, _message(spec, validation, data))
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


def _activation(request: Request) -> dict[str, Any]:
    resource, _, subresource = request.resource.partition("/")
    return {
        "object": _as_stored(request.object),
        "oldObject": _as_stored(request.old_object),
        "request": {
            "operation": request.operation,
            "namespace": request.namespace,
            "resource": {"group": request.group, "version": request.version, "resource": resource},
            "subResource": subresource,
            "dryRun": False,
            "userInfo": {"username": request.user, "groups": list(request.user_groups)},
        },
        "authorizer": {"allowed": sorted(request.allowed)},
        "variables": {},
    }


def _as_stored(value: Any) -> Any:
    """Leave out nulls, as the API server does when it decodes an object: a field that is null isn't there."""
    if isinstance(value, str) and "\0" in value:
        # cel-expr-python 0.1.3 would judge only what stands before it, and the API server judges all.
        raise ValueError(f"{value!r} holds a NUL character")
    if isinstance(value, Mapping):
        return {_as_stored(key): _as_stored(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_as_stored(item) for item in value]
    return value
