"""Writes the tables of the log's entries, from what their records say."""

from __future__ import annotations

import inspect
from pathlib import Path

from daulat.evidence.audit.entries import ENTRIES, Act, Batch, Doubt
from daulat.evidence.record import Record
from daulat.evidence.records import KINDS, RunChanged, RunStarted
from dev.pages import between, page, table

OBSERVED = page("recorder")
AUDITED = page("audit")


def written(root: Path) -> dict[Path, str]:
    """Return the pages with their tables written anew. ValueError where a field of what is observed has no description."""
    observed = [row for kind in KINDS for row in _described(kind)]
    audited = [(f"`{kind.kind}`", _meaning(kind), _names(kind)) for kind in ENTRIES]
    text = (root / AUDITED).read_text(encoding="utf-8")
    text = between(text, "audit entries", table(("kind", "meaning", "fields"), audited))
    return {
        OBSERVED: between(
            (root / OBSERVED).read_text(encoding="utf-8"), "entries", table(("kind", "field", "meaning"), observed)
        ),
        AUDITED: between(text, "audit gaps", ", ".join(f"`{doubt}`" for doubt in Doubt)),
    }


def _described(kind: type[Record]) -> list[tuple[str, str, str]]:
    rows = [(f"`{kind.kind}`", "", _meaning(kind))]
    if kind is RunChanged:
        return [(f"`{kind.kind}`", "", f"{_meaning(kind)} Its fields are those of {RunStarted.kind}.")]
    for name, field in kind.model_fields.items():
        if not field.description:
            raise ValueError(f"{kind.kind}.{name} has no description")
        rows.append(("", f"`{field.alias or name}`", field.description))
    return rows


def _names(kind: type[Record]) -> str:
    """Return the fields that a kind of entries has beside those that its like have."""
    shared = next((base.model_fields for base in (Act, Batch) if issubclass(kind, base)), {})
    return ", ".join(f"`{field.alias or name}`" for name, field in kind.model_fields.items() if name not in shared)


def _meaning(kind: type[Record]) -> str:
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
