"""Explains what comes with Daulat beside controls: the checks of ``daulat doctor``, and presets."""

from __future__ import annotations

from daulat.api.kinds import Manifest
from daulat.catalog import presets
from daulat.catalog.presets import leaves, merged
from daulat.doctor.catalog import checks


class UnknownName(ValueError):
    """Nothing of that name comes with Daulat. The text is a sentence that lists what does."""


def explain_check(check_id: str) -> Manifest:
    """Return the explanation of a check of ``daulat doctor``. Raises UnknownName."""
    check = checks().get(check_id)
    if check is None:
        raise UnknownName(f'unknown check "{check_id}"; known checks: {", ".join(checks())}')
    return {
        "check": check.id,
        "title": check.title,
        "severity": check.severity.value,
        "why": " ".join(check.why.split()),
        "remedy": " ".join(check.remedy.split()),
        "reads": list(check.needs),
    }


def explain_preset(name: str) -> Manifest:
    """Return the explanation of a preset: its rules for each class of data, and where each comes from. Raises UnknownName."""
    preset = presets.presets().get(name)
    if preset is None:
        raise UnknownName(f'unknown preset "{name}"; known presets: {", ".join(presets.presets())}')
    by_class = {str(c.value): merged(preset.spec, rules) for c, rules in preset.data_classes.items()} or {
        "": preset.spec
    }
    return {
        "preset": preset.name,
        "title": preset.title,
        "status": preset.status,
        "note": " ".join(preset.note.split()),
        "rules": [
            {"dataClass": of_class, "rules": [{"field": f, "value": v} for f, v in sorted(leaves(spec).items())]}
            for of_class, spec in by_class.items()
        ],
        "citations": [
            {
                "field": c.field,
                "dataClasses": [str(each.value) for each in c.classes],
                "rule": c.rule,
                "source": c.source,
                "url": c.url,
                "dated": c.dated,
                "read": c.read,
                "grade": c.grade,
            }
            for c in preset.citations
        ],
        "open": [" ".join(text.split()) for text in preset.open],
    }
