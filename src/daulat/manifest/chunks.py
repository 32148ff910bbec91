"""Cuts a file into documents as kubectl does: at --- lines in YAML, value by value in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .document import Chunk, Problem

_SEPARATOR = re.compile(r"^---(?P<rest>[^\n]*)(?:\n|\Z)", re.MULTILINE)
_SPACES = re.compile(r"\s*")


def chunks(data: bytes, file: str) -> Iterator[Chunk | Problem]:
    """Cut a file into documents. A file that isn't text is one problem."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        yield Problem(file, line, f"invalid UTF-8 at byte {error.start}")
        return
    if "\0" in text:
        yield Problem(file, text.count("\n", 0, text.index("\0")) + 1, "contains a NUL character: is it a binary file?")
        return
    if text.lstrip()[:1] in ("{", "["):
        found = _json_chunks(text, file)
        if found is not None:
            yield from found
            return
    yield from _yaml_chunks(text, file)


def _yaml_chunks(text: str, file: str) -> Iterator[Chunk | Problem]:
    start, line = 0, 1
    for separator in _SEPARATOR.finditer(text):
        rest = separator["rest"].strip()
        if rest and not rest.startswith("#"):
            at = line + text.count("\n", start, separator.start())
            yield Problem(file, at, "only a comment may follow the separator ---: put the rest on the next line")
        if separator.start() > start:
            yield Chunk(file, line, text[start : separator.start()])
        line += text.count("\n", start, separator.end())
        start = separator.end()
    if start < len(text):
        yield Chunk(file, line, text[start:])


def _json_chunks(text: str, file: str) -> list[Chunk] | None:
    """Cut a stream of JSON values; None if it isn't one: YAML may start with a brace, too."""
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
