"""Writes a report for people and for programs: each format is a function from the report to text."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from daulat.check.report import Report

FORMATS = ("table", "json", "yaml", "sarif", "junit", "github")
_MODULES = {"json": "structured", "yaml": "structured"}

Writer = Callable[[Report], str]


def writer(name: str) -> Writer:
    """Return what writes a format other than the table, which needs to know the terminal. Only its module is imported."""
    module = import_module(f".{_MODULES.get(name, name)}", __package__)
    found: Writer = getattr(module, f"as_{name}")
    return found
