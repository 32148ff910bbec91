"""Writes the table of entries in docs/audit.md, from what their models say."""

from __future__ import annotations

from pathlib import Path

from daulat.evidence.audit.entries import ENTRIES, Act, Batch, Doubt, Entry
from dev.pages import between, table

PAGE = Path("docs/audit.md")


def written(text: str) -> str:
    """Return the page with its table written anew."""
    rows = [(f"`{kind.__name__}`", (kind.__doc__ or "").partition("\n\n")[0], _fields(kind)) for kind in ENTRIES]
    text = between(text, "audit entries", table(("kind", "says", "has"), rows))
    return between(text, "audit gaps", ", ".join(f"`{doubt}`" for doubt in Doubt))


def _fields(kind: type[Entry]) -> str:
    """Return the fields that a kind of entries has beside those that its like have."""
    shared = next((base.model_fields for base in (Act, Batch) if issubclass(kind, base)), {})
    own = [field.alias or name for name, field in kind.model_fields.items() if name not in shared]
    return ", ".join(f"`{name}`" for name in own)
