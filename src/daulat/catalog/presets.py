"""Shipped sets of rules that a policy can start from: data with citations, merged under what the policy itself says."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from daulat.api.meta import DataClass
from daulat.api.policy import SovereigntyPolicySpec


class UnknownPreset(ValueError):
    """There is no such preset, or it has no rules for the class of data."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Citation(_Data):
    """Where a rule comes from."""

    field: str
    """The field of a policy's spec that the rule sets, such as zones.countries."""
    rule: str
    """What the source asks for, in our words."""
    source: str
    """The source, with its section where it has one."""
    dated: str
    """The version or date of the source."""
    read: str
    """The day on which it was read."""
    grade: str
    """How sure we are: primary text, secondary source, or our own choice."""


class Preset(_Data):
    """A set of rules, possibly one for each class of data."""

    name: str
    title: str
    status: str
    """What kind of text stands behind it: in force, proposal, guidance, or our own choice."""
    note: str
    spec: dict[str, Any] = Field(default_factory=dict)
    """The part of a policy's spec that all classes share."""
    data_classes: dict[DataClass, dict[str, Any]] = Field(default_factory=dict, alias="dataClasses")
    """What each class of data adds to it."""
    citations: tuple[Citation, ...]


@cache
def presets() -> dict[str, Preset]:
    """Return every shipped preset by name."""
    folder = resources.files(__package__) / "presets"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    found = [Preset.model_validate(yaml.safe_load(f.read_text(encoding="utf-8"))) for f in files]
    return {preset.name: preset for preset in found}


def rules(name: str, data_class: DataClass | None) -> dict[str, Any]:
    """Return the part of a policy's spec that the preset stands for. Raises UnknownPreset."""
    preset = presets().get(name)
    if preset is None:
        raise UnknownPreset(f"{name} doesn't exist; there are {', '.join(presets())}")
    if not preset.data_classes:
        if data_class is not None:
            raise UnknownPreset(f"{name} has the same rules for all data; leave dataClass out")
        return preset.spec
    if data_class is None or data_class not in preset.data_classes:
        raise UnknownPreset(f"{name} needs dataClass, one of {', '.join(preset.data_classes)}")
    return merged(preset.spec, preset.data_classes[data_class])


def expanded(spec: SovereigntyPolicySpec) -> SovereigntyPolicySpec:
    """Return the spec with the rules of its preset, where it doesn't set the field itself. Raises UnknownPreset."""
    if spec.preset is None:
        return spec
    own = spec.model_dump(by_alias=True, exclude_unset=True, mode="json")
    return SovereigntyPolicySpec.model_validate(merged(rules(spec.preset.name, spec.preset.data_class), own))


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return the two laid over each other, objects field by field, everything else whole."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
