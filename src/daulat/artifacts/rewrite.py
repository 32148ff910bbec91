"""Rewrites references in the text of manifests. Everything else stays as it is, byte for byte: comments, order, quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from daulat.manifest.document import Chunk, Problem
from daulat.manifest.paths import Path, dotted
from daulat.manifest.yaml_reader import read

_AFTER = r"(?![-\w.:/@])"
_BEFORE = r"(?<![-\w.:/@])"


@dataclass(frozen=True)
class Change:
    """One value of a document that becomes another."""

    path: Path
    old: str
    """What is replaced in the value at the path; empty where a field is added to the mapping there."""
    new: str
    name: str = ""
    """The field that is added."""
    whole: bool = True
    """Whether the value is nothing else than ``old``."""


@dataclass
class Rewritten:
    """The text of a document afterwards, and what couldn't be rewritten."""

    text: str
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


def rewrite(chunk: Chunk, changes: Iterable[Change]) -> Rewritten:
    """Return the document with the changes made. A change that can't be made is a problem, and the value stays."""
    root = yaml.compose(chunk.text, Loader=yaml.SafeLoader)
    edits: set[_Edit] = set()
    problems: list[Problem] = []
    wanted = list(changes)
    for change in wanted:
        node = _find(root, change.path)
        edit = _edit(chunk.text, node, change) if node is not None else None
        if edit is None:
            value = (
                "the image is given in parts" if isinstance(node, yaml.MappingNode) else "it isn't written in one piece"
            )
            where = _line(chunk, node)
            problems.append(Problem(chunk.file, where, f"set {change.new} manually: {value}", dotted(change.path)))
        else:
            edits.add(edit)
    if not edits:
        return Rewritten(chunk.text, problems)
    text = chunk.text
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    before, after = read(chunk.text), read(text)
    replaced = {change.old: change.new for change in wanted if change.old}
    added = {change.new for change in wanted if not change.old}
    if after.flaws or not _only(before.value, after.value, replaced, added):
        message = "can't be rewritten without another change: edit its references manually"
        return Rewritten(chunk.text, [Problem(chunk.file, chunk.line, message)])
    return Rewritten(text, problems)


def _edit(text: str, node: Any, change: Change) -> _Edit | None:
    if not change.old:
        return _insertion(text, node, change) if isinstance(node, yaml.MappingNode) else None
    if not isinstance(node, yaml.ScalarNode) or (change.whole and node.value.strip() != change.old):
        return None
    start, end = node.start_mark.index, node.end_mark.index
    # A value with an alias elsewhere starts behind its anchor.
    raw, count = re.subn(f"{_BEFORE}{re.escape(change.old)}{_AFTER}", lambda _: change.new, text[start:end])
    return _Edit(start, end, raw) if count else None


def _insertion(text: str, node: Any, change: Change) -> _Edit | None:
    """Return what adds a field to a mapping behind its first one, in its own style."""
    if not node.value:
        return None
    key, value = node.value[0]
    if not isinstance(value, yaml.ScalarNode):
        return None
    at = value.end_mark.index
    if node.flow_style:
        quotes = '"' if text[key.start_mark.index] == '"' else ""
        return _Edit(at, at, f", {quotes}{change.name}{quotes}: {quotes}{change.new}{quotes}")
    line_end = text.find("\n", at)
    line_end = len(text) if line_end < 0 else line_end
    return _Edit(line_end, line_end, f"\n{' ' * key.start_mark.column}{change.name}: {change.new}")


def _find(node: Any, path: Path) -> Any:
    for step in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            node = _item(node, str(step))
        else:
            return None
    return node


def _item(node: Any, name: str) -> Any:
    merged: list[Any] = []
    for key, value in node.value:
        if key.value == name:
            return value
        if key.value == "<<":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
    return next((found for each in merged if (found := _item(each, name)) is not None), None)


def _only(before: Any, after: Any, replaced: Mapping[str, str], added: set[str]) -> bool:
    """Say whether two values differ in nothing but what was to be replaced and added."""
    if isinstance(before, dict) and isinstance(after, dict):
        extra = after.keys() - before.keys()
        if before.keys() - after.keys() or not all(after[key] in added for key in extra):
            return False
        return all(_only(before[key], after[key], replaced, added) for key in before)
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(
            _only(b, a, replaced, added) for b, a in zip(before, after, strict=True)
        )
    if isinstance(before, str) and isinstance(after, str) and before != after:
        made = before
        for old, new in replaced.items():
            made = re.sub(f"{_BEFORE}{re.escape(old)}{_AFTER}", lambda _, new=new: new, made)  # type: ignore[misc]
        return made == after
    return type(before) is type(after) and before == after


def _line(chunk: Chunk, node: Any) -> int:
    return chunk.line if node is None else chunk.line_at(node.start_mark.index)
