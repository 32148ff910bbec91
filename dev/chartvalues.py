"""Writes the table of the chart's values: what each means is in values.schema.json, and what it is by default in values.yaml.

The chart's README has it, and the site, which has no files of the chart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .pages import between, page, table

CHART = Path("charts/daulat")
PAGES = (CHART / "README.md", page("chart-values"))
SECTION = "values"


def written(root: Path) -> dict[Path, str]:
    """Return the pages with the table written anew. ValueError where schema and values differ, or a text is missing."""
    schema = json.loads((root / CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((root / CHART / "values.yaml").read_text(encoding="utf-8"))
    values_table = table(("value", "default", "meaning"), list(_rows(schema, schema, values, "")))
    return {path: between((root / path).read_text(encoding="utf-8"), SECTION, values_table) for path in PAGES}


def _rows(
    root: Mapping[str, Any], schema: Mapping[str, Any], values: Mapping[str, Any], path: str
) -> Iterator[tuple[str, str, str]]:
    properties: Mapping[str, Any] = schema["properties"]
    if unknown := set(values) - set(properties):
        raise ValueError(f"values.yaml: {path}{min(unknown)} isn't in values.schema.json")
    for name, declared in properties.items():
        field = _resolved(root, declared)
        if not field.get("description"):
            raise ValueError(f"values.schema.json: {path}{name} has no description")
        if name not in values:
            raise ValueError(f"values.yaml: {path}{name} isn't there; values.schema.json has it")
        value = values[name]
        # A section is written field by field where its fields have defaults; what is empty is one value.
        if isinstance(value, dict) and value and set(value) == set(field.get("properties") or ()):
            yield from _rows(root, field, value, f"{path}{name}.")
        else:
            yield f"`{path}{name}`", f"`{json.dumps(value)}`", str(field["description"])


def _resolved(root: Mapping[str, Any], field: Mapping[str, Any]) -> dict[str, Any]:
    """Return a field with what it refers to; its own description counts."""
    name = str(field.get("$ref") or "").rpartition("/")[2]
    return {**(root["definitions"][name] if name else {}), **field}
