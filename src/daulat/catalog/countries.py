"""The countries that there are, by their two-letter codes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from daulat.api.packaged import load


@cache
def codes() -> tuple[str, ...]:
    """Return the codes of ISO 3166-1, and XK, in order."""
    return tuple(_read()["codes"])


@cache
def instead() -> Mapping[str, str]:
    """Return the right code by one that is often written in its place."""
    found: dict[str, str] = _read()["instead"]
    return found


def _read() -> dict[str, Any]:
    found: dict[str, Any] = load((resources.files(__package__) / "countries.yaml").read_text(encoding="utf-8"))
    return found
