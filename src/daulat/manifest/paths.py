"""Writes a path into an object as messages write it."""

from __future__ import annotations

import re

from .yaml_reader import Path

_WORD = re.compile(r"[A-Za-z0-9_]+")


def dotted(path: Path) -> str:
    """Return the path as text: ``spec.containers[0].image``, with quotes around what isn't a word."""
    return "".join(f"[{p}]" if isinstance(p, int) else _key(p) for p in path).lstrip(".")


def _key(name: str) -> str:
    return f".{name}" if _WORD.fullmatch(name) else f'["{name}"]'
