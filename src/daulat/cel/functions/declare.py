"""How a library declares its functions, and the values of Kubernetes' own types: quantities, addresses, URLs, authorizers.

The runtime takes no types of ours, so such a value is a map with the integer key KIND. No JSON has one, so nobody can forge it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

DYN, MAP, LIST = cel.Type.DYN, cel.Type.MAP, cel.Type.LIST
STRING, BOOL, INT, DOUBLE = cel.Type.STRING, cel.Type.BOOL, cel.Type.INT, cel.Type.DOUBLE
KIND = 0
Opaque = dict[Any, Any]


@dataclass(frozen=True)
class Function:
    """One overload of a function. The implementation raises ValueError where the function has an error for a value."""

    name: str
    result: Any
    parameters: tuple[Any, ...]
    implementation: Callable[..., Any]
    is_member: bool

    def overload(self, identity: str) -> Any:
        """Return the overload as the runtime wants it."""
        return cel.Overload(identity, self.result, list(self.parameters), self.is_member, self.implementation)


def member(name: str, result: Any, *parameters: Any, by: Callable[..., Any]) -> Function:
    """Declare a function that is called on its first parameter."""
    return Function(name, result, parameters, by, is_member=True)


def function(name: str, result: Any, *parameters: Any, by: Callable[..., Any]) -> Function:
    """Declare a function that stands alone."""
    return Function(name, result, parameters, by, is_member=False)


def opaque(kind: str, *values: Any) -> Opaque:
    """Return a value of one of Kubernetes' own types."""
    return {KIND: kind, **dict(enumerate(values, 1))}


def kind_of(value: Any) -> str:
    """Return the type's name; empty for a value that has none of ours."""
    return str(value.get(KIND, "")) if isinstance(value, dict) else ""


def expect(value: Any, kind: str) -> Opaque:
    """Return the value, which must be of the kind. Raises ValueError where it isn't."""
    if kind_of(value) != kind:
        raise no_overload()
    found: Opaque = value
    return found


def no_overload() -> ValueError:
    """Return the error for a value of the wrong type."""
    return ValueError("no such overload")
