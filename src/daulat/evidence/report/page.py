"""The report as one page of HTML without scripts and without requests. Every text that isn't the page's own is escaped."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from .oscal import named
from .proofs import proof_path

_LONGEST = 400
"""Characters of a value that the page shows; report.json has all of it."""


def page(report: Mapping[str, Any]) -> str:
    """Return the page."""
    style = (files(__package__) / "page.css").read_text(encoding="utf-8")
    # Only this very style sheet is applied, whatever else gets into the page.
    allowed = base64.b64encode(sha256(style.encode()).digest()).decode()
    return _template().render(report=report, style=style, allowed=allowed) + "\n"


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"shown": _shown, "entries": named, "proof": proof_path}
    return environment.from_string((files(__package__) / "page.html.j2").read_text(encoding="utf-8"))


def _shown(value: object) -> str:
    """Return a value as one line of text."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, list):
        text = ", ".join(map(_shown, value))
    elif isinstance(value, dict):
        text = ", ".join(f"{k}: {_shown(v)}" for k, v in value.items())
    else:
        text = json.dumps(value)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
