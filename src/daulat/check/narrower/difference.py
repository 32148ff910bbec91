"""What is found of a field: that the local policy is wider there, or that it couldn't be proved narrower."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec


class Grade(StrEnum):
    """How much is known."""

    WIDER = "wider"
    """The local policy admits something that the national one refuses."""
    UNDECIDED = "undecided"
    """It can't be decided from the input. That counts as not proved."""
    SIDE_EFFECT = "side effect"
    """The field is narrower, and by what it names another control admits more."""


@dataclass(frozen=True)
class Difference:
    """One field in which a local policy isn't proved narrower."""

    field: str
    """The field of the policy's spec, such as zones.countries."""
    grade: Grade
    found: str
    """What the local policy says, as a clause."""
    allowed: str
    """What the national policy says, as the rest of a clause that starts with its name."""
    remedy: str
    """What to do, as sentences."""
    national: str = ""
    """The national policy's value."""
    local: str = ""
    """The local policy's value."""
    item: int | str | None = None
    """The first item of the local value that is meant, by its index or key."""

    def message(self, national: str) -> str:
        """Return it as a sentence about a national policy of that name."""
        return f"spec.{self.field}: {self.found}; national policy {national} {self.allowed}. {self.remedy}"


@dataclass(frozen=True)
class Pair:
    """The two policies, with presets filled in, and what is known beside them."""

    national: SovereigntyPolicySpec
    local: SovereigntyPolicySpec
    profiles: Mapping[str, AcceleratorProfileSpec] = field(default_factory=dict)
    """The AcceleratorProfiles by name: the shipped ones, and those of the input."""
    zones: Mapping[str, SovereignZoneSpec] = field(default_factory=dict)
    """The zones of the input by name."""

    def values(self, path: str) -> tuple[Any, Any]:
        """Return the field's value in the national and in the local policy."""
        return value_at(self.national, path), value_at(self.local, path)


def value_at(model: BaseModel | None, path: str, kind: type[BaseModel] = SovereigntyPolicySpec) -> Any:
    """Return a field's value; where a section around it is left out, what the field has where it is left out itself."""
    name, _, rest = path.partition(".")
    key, info = next((k, f) for k, f in kind.model_fields.items() if (f.alias or k) == name)
    if model is None:
        value = info.get_default(call_default_factory=True)
        value = None if value is PydanticUndefined else value
    else:
        value = getattr(model, key)
    if not rest:
        return value
    inner = section_of(info.annotation)
    if inner is None:
        raise KeyError(path)
    return value_at(value, rest, inner)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a field holds, also where it may be left out; None where it holds something else."""
    for each in getattr(annotation, "__args__", None) or (annotation,):
        if (
            isinstance(each, type)
            and issubclass(each, BaseModel)
            and getattr(annotation, "__origin__", None) is not tuple
        ):
            return each
    return None


def listed(values: Iterable[Any] | None, none: str = "none") -> str:
    """Return values as a list in a sentence."""
    return ", ".join(str(v) for v in values or ()) or none


def quoted(values: Iterable[Any]) -> str:
    """Return values in quotes, with the verb that they take."""
    found = [f'"{v}"' for v in values]
    return f"{', '.join(found)} {'was' if len(found) == 1 else 'were'} set"
