"""Writes rewritten manifests into a directory, under the names that they have, and the values of the chart beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from daulat.artifacts.rewrite import Change, rewrite
from daulat.manifest.chunks import chunks
from daulat.manifest.document import Chunk, Problem

from ..files import STDIN, File

VALUES, MANIFESTS = "values.yaml", "manifests"
"""In the directory: the values of the chart, and the folder of the manifests, which kubectl can be given whole."""


def rewritten(given: Sequence[File], changes: Mapping[Chunk, Sequence[Change]]) -> tuple[dict[str, str], list[Problem]]:
    """Return the text of each file by its name, and what has to be changed by hand."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for file in given:
        text = file.data.decode("utf-8")
        made, start = "", 0
        for chunk in chunks(file.data, file.name):
            if not isinstance(chunk, Chunk):
                continue
            at = text.index(chunk.text, start)
            result = rewrite(chunk, changes.get(chunk, ()))
            problems += result.problems
            made += text[start:at] + result.text
            start = at + len(chunk.text)
        texts[file.name] = made + text[start:]
    return texts, problems


def names(paths: Sequence[str], given: Sequence[File]) -> dict[str, str]:
    """Return each file's name in the directory: its path under the one that was given. Raises ValueError where two are equal."""
    folders = [path for path in paths if os.path.isdir(path)]
    found: dict[str, str] = {}
    for file in given:
        inside = next((f for f in folders if Path(file.name).is_relative_to(f) and not file.named), None)
        if file.name == f"<{STDIN}>" or file.name == "<stdin>":
            name = "stdin.yaml"
        else:
            name = os.path.relpath(file.name, inside) if inside is not None else os.path.basename(file.name)
        other = next((known for known, taken in found.items() if taken == name), None)
        if other is not None:
            raise ValueError(f"{file.name} and {other} would both be written to {name}")
        found[file.name] = name
    return {file: f"{MANIFESTS}/{name}" for file, name in found.items()}


def write(directory: Path, texts: Mapping[str, str]) -> None:
    """Write files, each whole or not at all. Raises OSError."""
    for name, text in sorted(texts.items()):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(text.encode("utf-8"))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
