"""Writes the summary for programs, and as one line for logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic.alias_generators import to_camel

from daulat.status.view import Severity, View, ready


def structured(view: View) -> dict[str, Any]:
    """Return the summary for programs, with every row. docs/how-to/status.md has the keys."""
    found: dict[str, Any] = _plain(view)
    return {"apiVersion": "status.daulat.dev/v1", **found, "at": stamp(view.at)}


def stamp(seconds: float) -> str:
    """Return a time in seconds since the epoch as the API server writes times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def line(view: View) -> str:
    """Return the summary in one line."""
    leads = {True: "leads", False: "doesn't lead", None: "unknown"}[view.operator.leading]
    parts = [
        f"operator {leads}",
        f"policies {ready(view.policies)}/{len(view.policies)} ready",
        f"zones {ready(view.zones)}/{len(view.zones)} ready",
        f"models {ready(view.models)}/{len(view.models)} ready",
        f"exemptions {sum(row.active for row in view.exemptions)} in force",
        attention_counts(view),
    ]
    if view.unread:
        parts.append(f"not read: {', '.join(each.kind for each in view.unread)}")
    return f"{stamp(view.at)} {'; '.join(parts)}"


def attention_counts(view: View) -> str:
    """Return how many findings there are of each severity."""
    failures = sum(each.severity is Severity.FAILURE for each in view.attention)
    return (
        f"{failures} failing, {len(view.attention) - failures} warning" if view.attention else "nothing needs attention"
    )


def _plain(value: Any) -> Any:
    # Not dataclasses.asdict, which copies every string of thousands of rows.
    if is_dataclass(value):
        return {to_camel(each.name): _written(each.name, getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    # Enumerations and reasons are subclasses of str, which PyYAML's safe dumper refuses.
    return str(value) if isinstance(value, str) else value


def _written(name: str, value: Any) -> Any:
    if name == "warnings":
        found: list[Mapping[str, str]] = [{"reason": str(reason), "message": message} for reason, message in value]
        return found
    return _plain(value)
