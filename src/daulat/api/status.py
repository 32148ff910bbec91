"""Reads a stored status, and writes one: the edge between the API server's JSON and the typed status that decisions read.

A stored status may be of another release. Each field is read by itself: one that can't be read is absent, and takes no other with
it. So a field that a later release requires, or writes otherwise, loses nothing of what is decided on the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Any, TypeVar, cast, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from .kinds import Manifest
from .meta import ConditionValue, Observed

T = TypeVar("T", bound=Observed)
ZERO: Mapping[object, Any] = {str: "", int: 0, ConditionValue: "Unknown"}
"""What a required field reads as where it is absent, by its type. As in Kubernetes' own types in Go, that isn't an error."""


def read_status(model: type[T], stored: object) -> T:
    """Return a stored status, or a block of one. What can't be read of it is absent; this raises nothing."""
    try:
        return model.model_validate(stored)
    except ValidationError:
        return _partly(model, stored if isinstance(stored, Mapping) else {})


def write_status(status: Observed) -> Manifest:
    """Return a status as the API server takes it, without the fields that were never set or are None."""
    return status.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


def _partly(model: type[T], stored: Mapping[Any, Any]) -> T:
    found: dict[str, Any] = {}
    absent: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        value = _value(field.annotation, stored.get(field.alias or name))
        if value is not None:
            found[name] = value
        elif field.is_required():
            absent[name] = ZERO[field.annotation]
    # What is absent isn't set: a block that is kept as it is isn't written with more than it had.
    return cast("T", model.model_construct(set(found), **found, **absent))


def _value(annotation: Any, stored: object) -> Any:
    """Return a field's value, or None where it can't be read as what the field is."""
    arguments = get_args(annotation)
    if NoneType in arguments:
        (annotation,) = (a for a in arguments if a is not NoneType)
    if get_origin(annotation) is tuple:
        entries = (_value(get_args(annotation)[0], entry) for entry in stored) if isinstance(stored, list) else None
        return tuple(e for e in entries if e is not None) if entries is not None else None
    if isinstance(annotation, type) and issubclass(annotation, Observed):
        return read_status(annotation, stored) if isinstance(stored, Mapping) else None
    try:
        return _adapter(annotation).validate_python(stored)
    except ValidationError:
        return None


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)
