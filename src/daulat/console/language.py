"""The languages of the pages: their strings and the names of countries, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from daulat.api.packaged import load

LANGUAGES = {"en": "English", "ms": "Bahasa Melayu"}
"""Each language by its BCP 47 tag. The first one's pages are at the root of the site."""
DEFAULT = "en"


@dataclass(frozen=True)
class Language:
    """The strings of one language."""

    tag: str
    """BCP 47."""

    @property
    def prefix(self) -> str:
        """The folder of the language's pages, with a slash; empty for the root."""
        return "" if self.tag == DEFAULT else f"{self.tag}/"

    def text(self, key: str, **values: object) -> str:
        """Return a string with its values. Raises KeyError where the key isn't in ``strings.yaml``."""
        return strings()[key][self.tag].format(**values)

    def country(self, code: str) -> str:
        """Return a country's name; its code where the name isn't known."""
        return _countries().get(code, {}).get(self.tag, code)

    def span(self, seconds: float) -> str:
        """Return a duration in its largest whole unit, such as ``3 d``."""
        for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
            if seconds >= size:
                return self.text(unit, count=int(seconds // size))
        return self.text("seconds", count=int(seconds))


@cache
def strings() -> Mapping[str, Mapping[str, str]]:
    """Return every string, by its key and its language."""
    found: dict[str, dict[str, str]] = load(_data("strings.yaml"))
    return found


@cache
def _countries() -> Mapping[str, Mapping[str, str]]:
    found: dict[str, Any] = json.loads(_data("countries.json"))
    names: dict[str, dict[str, str]] = found["names"]
    return names


def _data(name: str) -> str:
    return (resources.files(__package__) / "data" / name).read_text(encoding="utf-8")
