"""Reads the subset of YAML on which YAML 1.1 and 1.2 agree, fast; other documents are left to ``yaml_reader``.

A parser of YAML 1.2 in Rust reads a pod ten times as fast as events of libyaml are taken in Python. But kubectl reads YAML 1.1 with
rules of its own, and that parser takes the last of two equal keys. So a document is read here only if neither matters: nothing
in it is written in a way that the two versions read differently, and it has as many keys as colons.
"""

from __future__ import annotations

import re
from typing import Any

from yaml12 import parse_yaml

from .scalars import resolve

MAX_DEPTH = 100
"""Levels of nesting that are read here."""
_FOREIGN = re.compile(r"[^\n -~]")
# Anchors, aliases, tags, directives and escapes, wherever such a character stands.
_ODD = re.compile(r"[&*!%\\]")
_ODD_TEXTS = ("\n---", "\n...", "<<", "? ", "?\n")
# What may be a number or a boolean; and what begins a block scalar, a flow sequence, a flow mapping, or an empty key.
_SUSPECT = re.compile(
    r"""[\s\[{,:] (?:
        ( [|>:] | \[(?!\]) | \{(?!\}) )
        | ( (?: [0-9.+] | -(?=[0-9._]) | [yYnNoO](?:es|ES|o|O|n|N|ff|FF)?(?=[\s,:]) ) [^\s\[\]{},]* )
    )""",
    re.VERBOSE,
)
# A short whole number is the same in both versions.
_WHOLE = re.compile(r"0|[1-9][0-9]{0,14}")
_COMMENT = re.compile(r"\n *#.*")


def read_subset(text: str) -> dict[str, Any] | None:
    """Return what ``yaml_reader.read`` returns for a document; None for one that isn't surely in the subset."""
    text = f"\n{text}\n"
    if _FOREIGN.search(text) or _ODD.search(text) or any(odd in text for odd in _ODD_TEXTS):
        return None
    for bracket, scalar in _SUSPECT.findall(text):
        if bracket or not (_WHOLE.fullmatch(scalar) or _is_text(scalar.removesuffix(":"))):
            return None
    try:
        values: list[Any] = parse_yaml(text, multi=True)
    except ValueError:
        return None
    keys = _keys(values)
    if len(values) != 1 or keys is None or keys != _colons(text):
        return None
    return values[0] if isinstance(values[0], dict) else None


def _is_text(scalar: str) -> bool:
    try:
        return isinstance(resolve(scalar), str)
    except ValueError:
        return False


def _colons(text: str) -> int | None:
    """Return how many colons may end a key; None where that isn't known. There are no flow collections here."""
    if "#" in text:
        text = _COMMENT.sub("", text)
    found = text.count(": ") + text.count(":\n")
    quoted = sum(text.count(f"{quote}:") - text.count(f"{quote}: ") - text.count(f"{quote}:\n") for quote in "\"'")
    return found if not quoted else None


def _keys(value: Any) -> int | None:
    """Return how many keys a value and everything in it has; None where it isn't a JSON value."""
    count, layer, depth = 0, [value], 0
    while layer:
        depth += 1
        if depth > MAX_DEPTH:
            return None
        inner: list[Any] = []
        for each in layer:
            kind = type(each)
            if kind is dict:
                count += len(each)
                for key, item in each.items():
                    if type(key) is not str:
                        return None
                    if type(item) is not str:
                        inner.append(item)
            elif kind is list:
                inner.extend(item for item in each if type(item) is not str)
            elif kind is not int and kind is not bool and each is not None and kind is not str:
                return None
        layer = inner
    return count
