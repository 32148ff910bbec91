"""What a file holds: pieces of text, the objects in them, and problems, each with its file and line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

from daulat.api.kinds import Manifest

from .paths import Path
from .yaml_reader import read

_HELM_SOURCE = re.compile(r"^# Source: (?P<path>[^\r\n]{1,512})\r?$", re.MULTILINE)
_MARKERS = 512
"""Characters at a document's start that are searched for Helm's comment with the template's path."""


@dataclass(frozen=True)
class Problem:
    """An error in the input, and where it is. ``line`` counts from 1; it is 0 where the error has no line."""

    file: str
    line: int
    message: str
    field: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.field}: {self.message}" if self.field else f"{where}: {self.message}"


@dataclass(frozen=True)
class Chunk:
    """The text of one document, unread."""

    file: str
    line: int
    """The line of the file on which the text starts, from 1; 0 where an object wasn't read from text."""
    text: str
    json: bool = False

    @property
    def origin(self) -> str:
        """The chart's template that Helm rendered the document from, or nothing."""
        found = _HELM_SOURCE.search(self.text, 0, _MARKERS)
        return found["path"] if found else ""

    def line_at(self, offset: int) -> int:
        """Return the line of the file at an offset in the text, in characters."""
        return self.line + self.text.count("\n", 0, offset)


@dataclass(frozen=True)
class Document:
    """One object. Items of a List are objects of their own, at their path in the text."""

    chunk: Chunk = field(repr=False)
    object: Manifest = field(repr=False)
    path: Path = ()

    @property
    def kind(self) -> str:
        """The object's kind."""
        return str(self.object.get("kind") or "")

    @property
    def api_version(self) -> str:
        """The object's apiVersion."""
        return str(self.object.get("apiVersion") or "")

    @property
    def group(self) -> str:
        """The object's API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def metadata(self) -> Manifest:
        """The object's metadata."""
        found = self.object.get("metadata")
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """The object's name, or what its name is generated from."""
        return str(self.metadata.get("name") or self.metadata.get("generateName") or "")


def from_api(manifest: Manifest) -> Document:
    """Return an object that an API server gave. Its fields have no line."""
    document = Document(Chunk("", 0, ""), manifest)
    where = "/".join(part for part in (document.metadata.get("namespace"), document.name) if part)
    return replace(document, chunk=Chunk(f"cluster: {document.kind} {where}", 0, ""))


@dataclass(frozen=True)
class Foreign:
    """A document that holds no Kubernetes object, such as a chart's values."""

    chunk: Chunk = field(repr=False)
    reason: str = "apiVersion and kind are not set"


def line_of(document: Document, path: Path) -> int:
    """Return the line on which a field of the document stands, or the nearest field around it that is there; 0 without a text."""
    if not document.chunk.line:
        return 0
    full = document.path + path
    offsets = _offsets(document.chunk.text) if full else {}
    while full and full not in offsets:
        full = full[:-1]
    return document.chunk.line_at(offsets[full] if full else _start(document.chunk.text))


@lru_cache(maxsize=8)  # Several findings are on one document, one after the other.
def _offsets(text: str) -> dict[Path, int]:
    return read(text, positions=True).offsets


def _start(text: str) -> int:
    """Return the offset of the first line that is neither empty nor a comment."""
    offset = 0
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            return offset
        offset += len(line)
    return 0
