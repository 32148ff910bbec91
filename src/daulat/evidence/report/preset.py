"""A preset's rules, each with its source and with what the log's policies say in that field. It judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daulat.catalog.presets import PresetError, leaves, presets

from .claim import Claim, Facts, Read, spec_of


def rows(name: str, policies: Sequence[Claim], read: Read, facts: Facts) -> dict[str, Any]:
    """Return the preset with what recorded policies set for each of its rules. PresetError where there is none of that name."""
    preset = presets().get(name)
    if preset is None:
        raise PresetError(f"there is no preset {name}; there are {', '.join(presets())}")
    found = [
        {
            "field": cited.field,
            "classes": [str(c) for c in cited.classes],
            "rule": cited.rule,
            "source": cited.source,
            "url": cited.url,
            "dated": cited.dated,
            "read": cited.read,
            "grade": cited.grade,
            "recorded": [_recorded(cited.field, claim, read, facts) for claim in policies],
        }
        for cited in preset.citations
    ]
    head = {"name": preset.name, "title": preset.title, "status": preset.status, "note": preset.note}
    return {**head, "rules": found, "open": list(preset.open)}


def _recorded(field: str, claim: Mapping[str, Any], read: Read, facts: Facts) -> dict[str, Any]:
    """Return what one recorded policy sets for a field, with the entry that says so."""
    number = claim["entries"]["says"]
    policy = read(number)
    said: dict[str, Any] = {"policy": str(policy.data.get("name", "")), "entry": number}
    spec = spec_of(policy, facts)
    if spec is None:
        return {**said, "known": False}
    values = {k: v for k, v in leaves(spec).items() if k == field or k.startswith(f"{field}.")}
    return {**said, "known": True, **({"value": values.get(field, values)} if values else {})}
