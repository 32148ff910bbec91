"""Writes a report in the format that the user chose. Only that format's module is imported."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from daulat.check.report import Report

from ..text import Page

FORMATS = ("table", "json", "yaml", "sarif", "junit", "github")
_MODULES = {"json": "structured", "yaml": "structured"}


def write(report: Report, form: str, page: Page) -> str:
    """Return the report in a format. The table alone is for people, and fits the page."""
    module = import_module(f".{_MODULES.get(form, form)}", __package__)
    if form == "table":
        for_people: Callable[[Report, Page], str] = module.as_table
        return for_people(report, page)
    for_programs: Callable[[Report], str] = getattr(module, f"as_{form}")
    return for_programs(report)
