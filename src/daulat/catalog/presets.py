"""Shipped sets of rules that a policy can start from: data with citations, merged under what the policy itself says."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daulat.api.meta import DataClass
from daulat.api.packaged import load_folder
from daulat.api.policy import SovereigntyPolicySpec

Grade = Literal["primary text", "secondary source", "our reading", "our own choice"]
"""Primary text: we read the source itself. Secondary source: we read what others say of it. Our reading: a source asks for
something less exact, and this is how we make it checkable. Our own choice: no source asks for it."""


class PresetError(ValueError):
    """There is no such preset, it has no rules for this class of data, or the policy that it makes can't be read."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Citation(_Data):
    """Where a rule comes from."""

    field: str
    """The field of a policy's spec that the rule sets, such as zones.countries."""
    classes: tuple[DataClass, ...] = ()
    """The classes of data that it is about; all of them where none is named."""
    rule: str
    """What is asked for, in our words."""
    source: str
    """The source, with its section where it has one."""
    url: str = ""
    """Where it can be read."""
    dated: str
    """The version or date of the source."""
    read: str
    """The day on which it was read."""
    grade: Grade
    """How sure we are."""


class Preset(_Data):
    """A set of rules, possibly one for each class of data."""

    name: str
    title: str
    status: str
    """What kind of text stands behind it: in force, proposal, guidance, or our own choice."""
    note: str
    """What to know before using it."""
    spec: dict[str, Any] = Field(default_factory=dict)
    """The part of a policy's spec that all classes share."""
    data_classes: dict[DataClass, dict[str, Any]] = Field(default_factory=dict, alias="dataClasses")
    """What each class of data adds to it."""
    citations: tuple[Citation, ...]
    """Where each field comes from; none is without."""
    open: tuple[str, ...] = ()
    """What isn't verified, and what the source asks for that no field of a policy can check."""


@cache
def presets() -> dict[str, Preset]:
    """Return every shipped preset by name."""
    found = [Preset.model_validate(content) for _, content in load_folder(__package__, "presets")]
    return {preset.name: preset for preset in found}


def rules(name: str, data_class: DataClass | None) -> dict[str, Any]:
    """Return the part of a policy's spec that the preset stands for. Raises PresetError."""
    preset = presets().get(name)
    if preset is None:
        raise PresetError(f"there is no preset {name}; there are {', '.join(presets())}")
    if not preset.data_classes:
        if data_class is not None:
            raise PresetError(f"{name} has the same rules for all data; leave dataClass out")
        return preset.spec
    if data_class is None or data_class not in preset.data_classes:
        raise PresetError(f"{name} needs dataClass, one of {', '.join(preset.data_classes)}")
    return merged(preset.spec, preset.data_classes[data_class])


def expanded(spec: SovereigntyPolicySpec) -> SovereigntyPolicySpec:
    """Return the spec with the rules of its preset, where it doesn't set the field itself. Raises PresetError."""
    if spec.preset is None:
        return spec
    body = merged(rules(spec.preset.name, spec.preset.data_class), _own(spec))
    if "zones" not in body:
        # Without it every zone of record would do, which nobody has said.
        raise PresetError(f"{spec.preset.name} doesn't set zones; set spec.zones")
    try:
        return SovereigntyPolicySpec.model_validate(body)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PresetError(f"{spec.preset.name} with what the policy sets beside it: {problems}") from error


def overridden(spec: SovereigntyPolicySpec) -> dict[str, tuple[Any, Any]]:
    """Return the preset's fields that the policy sets to something else: what the preset says, and what the policy does.

    Raises PresetError.
    """
    if spec.preset is None:
        return {}
    own = leaves(_own(spec))
    said = leaves(rules(spec.preset.name, spec.preset.data_class))
    return {path: (value, own[path]) for path, value in said.items() if path in own and own[path] != value}


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return the two laid over each other, objects field by field, everything else whole."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def leaves(body: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return every field that is set, by its path. An object without fields is a field of its own."""
    found: dict[str, Any] = {}
    for key, value in body.items():
        if isinstance(value, dict) and value:
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _own(spec: SovereigntyPolicySpec) -> dict[str, Any]:
    return spec.model_dump(by_alias=True, exclude_unset=True, mode="json")
