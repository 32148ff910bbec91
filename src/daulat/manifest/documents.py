"""Cuts a file into documents as kubectl does, and reads each into the objects that it holds, with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from daulat.api.kinds import Manifest

from .paths import dotted
from .yaml_reader import MAX_DEPTH, Flaw, Path, read
from .yaml_subset import read_plain

_SEPARATOR = re.compile(r"^---(?P<rest>[^\n]*)(?:\n|\Z)", re.MULTILINE)
_HELM_SOURCE = re.compile(r"^# Source: (?P<path>[^\r\n]{1,512})\r?$", re.MULTILINE)
_SPACES = re.compile(r"\s*")
_MARKERS = 512
"""Characters at a document's start in which a comment tells the template it came from."""


@dataclass(frozen=True)
class Problem:
    """Input that can't be used, and where. ``line`` counts from 1; 0 where no line is to blame."""

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
    """The line of the file on which the text starts, from 1."""
    text: str
    json: bool = False

    @property
    def origin(self) -> str:
        """The template that Helm made the document from, or nothing."""
        found = _HELM_SOURCE.search(self.text, 0, _MARKERS)
        return found["path"] if found else ""

    def line_at(self, offset: int) -> int:
        """Return the line of the file at so many characters from the text's start."""
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


@dataclass(frozen=True)
class Foreign:
    """A document that holds no Kubernetes object, such as a chart's values."""

    chunk: Chunk = field(repr=False)


def chunks(data: bytes, file: str) -> Iterator[Chunk | Problem]:
    """Cut a file. What isn't text is one problem."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        yield Problem(file, line, f"byte {error.start} isn't UTF-8, so it's no text that Kubernetes reads")
        return
    if "\0" in text:
        yield Problem(file, text.count("\n", 0, text.index("\0")) + 1, "it holds a NUL character: a binary file?")
        return
    if text.lstrip()[:1] in ("{", "["):
        found = _json_chunks(text, file)
        if found is not None:
            yield from found
            return
    yield from _yaml_chunks(text, file)


def documents(chunk: Chunk) -> list[Document | Foreign | Problem]:
    """Read a document into its objects. An empty one has none."""
    if chunk.json:
        value, flaws = _read_json(chunk.text)
    else:
        value, flaws = read_plain(chunk.text), []
        if value is None:
            reading = read(chunk.text)
            value, flaws = reading.value, reading.flaws
    if flaws:
        return [Problem(chunk.file, chunk.line_at(f.offset), _hint(chunk, f.message)) for f in flaws]
    return list(_objects(chunk, value, ())) if value is not None else []


def line_of(document: Document, path: Path) -> int:
    """Return the line on which a field of the document stands, or the nearest field around it that is there."""
    full = document.path + path
    offsets = _offsets(document.chunk.text) if full else {}
    while full and full not in offsets:
        full = full[:-1]
    return document.chunk.line_at(offsets[full] if full else _start(document.chunk.text))


@lru_cache(maxsize=8)  # Several findings are on one document, one after the other.
def _offsets(text: str) -> dict[Path, int]:
    return read(text, positions=True).offsets


def _start(text: str) -> int:
    """Return where the first line stands that is neither empty nor a comment."""
    offset = 0
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            return offset
        offset += len(line)
    return 0


def _yaml_chunks(text: str, file: str) -> Iterator[Chunk | Problem]:
    start, line = 0, 1
    for separator in _SEPARATOR.finditer(text):
        rest = separator["rest"].strip()
        if rest and not rest.startswith("#"):
            at = line + text.count("\n", start, separator.start())
            yield Problem(
                file, at, "text stands behind ---, where kubectl allows only a comment; put it on the next line"
            )
        if separator.start() > start:
            yield Chunk(file, line, text[start : separator.start()])
        line += text.count("\n", start, separator.end())
        start = separator.end()
    if start < len(text):
        yield Chunk(file, line, text[start:])


def _json_chunks(text: str, file: str) -> list[Chunk] | None:
    """Cut a stream of JSON values, or return None where it isn't one: YAML may start with a brace too."""
    decoder = json.JSONDecoder()
    found: list[Chunk] = []
    offset, line = 0, 1
    while True:
        blank = _SPACES.match(text, offset)
        start = blank.end() if blank else offset
        line += text.count("\n", offset, start)
        if start == len(text):
            return found
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return None
        found.append(Chunk(file, line, text[start:end], json=True))
        line += text.count("\n", start, end)
        offset = end


def _read_json(text: str) -> tuple[Any, list[Flaw]]:
    flaws: list[Flaw] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(items)
        if len(made) < len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    flaws.append(Flaw(_second(text, key), f'the key "{key}" is there twice'))
                seen.add(key)
        return made

    def constant(name: str) -> Any:
        flaws.append(Flaw(text.find(name), f"{name} is no number that JSON can hold"))

    value = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    if _deeper(value, MAX_DEPTH):
        flaws.append(Flaw(0, f"values are nested deeper than {MAX_DEPTH} levels"))
        return None, flaws
    # Half of a surrogate pair is no text: Go puts U+FFFD there.
    return (_whole(value) if "\\u" in text else value), flaws


def _second(text: str, key: str) -> int:
    quoted = json.dumps(key, ensure_ascii=False)
    first = text.find(quoted)
    return max(text.find(quoted, first + 1), first, 0)


def _deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            inner
            for each in layer
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return False
    return True


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def _hint(chunk: Chunk, message: str) -> str:
    if "{{" in chunk.text and not chunk.json:
        return f"{message}; it looks like a template: render it first (helm template ... | daulat check -)"
    return message


def _objects(chunk: Chunk, value: Any, path: Path) -> Iterator[Document | Foreign | Problem]:
    if not isinstance(value, dict) or ("kind" not in value and "apiVersion" not in value):
        yield Foreign(chunk)
        return
    document = Document(chunk, value, path)
    problems = list(_problems(document))
    if problems:
        yield from problems
        return
    items = value.get("items")
    if not isinstance(items, list):
        yield document
        return
    # kubectl takes everything with items for a list. Whatever isn't called one is judged itself too.
    if not document.kind.endswith("List"):
        yield document
    for index, item in enumerate(items):
        at = (*path, "items", index)
        if not isinstance(item, dict):
            where = Document(chunk, value, at)
            yield Problem(chunk.file, line_of(where, ()), "an item of a list isn't an object", dotted(at))
            continue
        # The items of a PodList are Pods without saying so.
        kind = document.kind.removesuffix("List")
        implied = {"apiVersion": document.api_version, "kind": kind} if kind and "kind" not in item else {}
        yield from _objects(chunk, {**implied, **item}, at)


def _problems(document: Document) -> Iterator[Problem]:
    """Tell what keeps an object from being one."""
    raw, file = document.object, document.chunk.file
    for name in ("apiVersion", "kind"):
        value = raw.get(name)
        if not isinstance(value, str) or not value:
            told = "is missing" if name not in raw else f"is {_short(value)}, not a text"
            yield Problem(file, line_of(document, (name,)), told, name)
    metadata = raw.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield Problem(file, line_of(document, ("metadata",)), f"is {_short(metadata)}, not a mapping", "metadata")
        return
    for name in ("name", "generateName", "namespace"):
        value = (metadata or {}).get(name)
        if value is not None and not isinstance(value, str):
            told = f"is {_short(value)}, not a text; quote it"
            yield Problem(file, line_of(document, ("metadata", name)), told, f"metadata.{name}")
    for name in ("labels", "annotations"):
        value = (metadata or {}).get(name)
        if value is None:
            continue
        where = ("metadata", name)
        if not isinstance(value, dict):
            told = f"is {_short(value)}, not a mapping"
            yield Problem(file, line_of(document, where), told, f"metadata.{name}")
            continue
        for key, item in value.items():
            if item is not None and not isinstance(item, str):
                told = f"is {_short(item)}, not a text; quote it"
                yield Problem(file, line_of(document, (*where, key)), told, f'metadata.{name}["{key}"]')


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else text[:39] + "…"
