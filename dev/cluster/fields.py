"""Takes the fields of a parsed YAML mapping one by one; every complaint names the file, the field and the remedy."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

from dev.cluster.errors import ClusterError

# A DNS label: names of nodes, zones and sites, all of which end up in label values too.
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MOST_NODES = 10_000


class Fields:
    """One mapping of a file; `finish` complains about fields that nobody took."""

    def __init__(self, content: object, path: Path, prefix: str = "") -> None:
        """`prefix` is where the mapping stands in the file, such as `nodes[2]`."""
        self._path = path
        self._prefix = prefix
        if not isinstance(content, dict):
            self._complain("", "must be a mapping of fields")
        self._content: dict[object, Any] = content
        self._taken: set[object] = set()

    def has(self, key: str) -> bool:
        """Whether the field is there and not null."""
        return self._content.get(key) is not None

    def finish(self) -> None:
        """Call it when every known field has been taken."""
        for key in self._content:
            if key not in self._taken:
                self._complain(str(key), f"is unknown; known here: {', '.join(sorted(map(str, self._taken)))}")

    def name(self, key: str) -> str:
        """A required name."""
        value = self._take(key)
        if not isinstance(value, str) or not NAME.fullmatch(value):
            self._complain(key, f"is {value!r}; it must be lower-case letters, digits and dashes, at most 63")
        return value

    def optional_name(self, key: str) -> str | None:
        """A name, or None where it is left out."""
        self._taken.add(key)
        return self.name(key) if self.has(key) else None

    def count(self, key: str) -> int:
        """A number of nodes; 1 where it is left out."""
        self._taken.add(key)
        value = self._take(key) if self.has(key) else 1
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_NODES:
            self._complain(key, f"is {value!r}; it must be a whole number from 1 to {MOST_NODES}")
        return value

    def one_of(self, key: str, known: Collection[str]) -> str:
        """A reference to something else in the file."""
        value = self._take(key)
        if value not in known:
            self._complain(key, f"is {value!r}; the file has {', '.join(sorted(known)) or 'none'}")
        return str(value)

    def strings(self, key: str) -> dict[str, str]:
        """A mapping to strings, empty where left out. Numbers become strings; `true` must be quoted, as in a label."""
        mapping = self.mapping(key) if self.has(key) else {}
        self._taken.add(key)
        for name, value in mapping.items():
            if isinstance(value, bool) or not isinstance(value, str | int):
                self._complain(f"{key}.{name}", f"is {value!r}; it must be a string (put it in quotes)")
        return {name: str(value) for name, value in mapping.items()}

    def mapping(self, key: str) -> dict[str, Any]:
        """A required mapping with string keys."""
        value = self._take(key)
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            self._complain(key, "must be a mapping with strings as keys")
        return value

    def mapping_of_fields(self, key: str) -> Mapping[str, Fields]:
        """A required mapping whose values are mappings of fields."""
        return {name: Fields(v, self._path, f"{self._at(key)}.{name}") for name, v in self.mapping(key).items()}

    def items(self, key: str) -> list[Fields]:
        """A required list of mappings of fields."""
        value = self._take(key)
        if not isinstance(value, list):
            self._complain(key, "must be a list")
        return [Fields(item, self._path, f"{self._at(key)}[{number}]") for number, item in enumerate(value)]

    def _take(self, key: str) -> Any:
        self._taken.add(key)
        if not self.has(key):
            self._complain(key, "is missing")
        return self._content[key]

    def _at(self, key: str) -> str:
        return ".".join(part for part in (self._prefix, key) if part)

    def _complain(self, key: str, what: str) -> NoReturn:
        raise ClusterError(f"{self._path}: {self._at(key) or 'the file'}: {what}.")
