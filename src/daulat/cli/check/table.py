"""For people: what was found, by object, with file and line, in lines that fit the terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator

import click

from daulat.check.report import Finding, Judged, Report

from ..text import printable

_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}
_WORDS = {"error": "refused", "warning": "warned", "note": "audited"}
_NARROWEST = 40
_INDENT = "  "


def as_table(report: Report, width: int, colour: bool) -> str:
    """Return what was found. Objects about which nothing was found are only counted."""
    lines: list[str] = []
    for judged in report.objects:
        if judged.findings:
            lines += [*_object(judged, max(width, _NARROWEST), colour), ""]
    lines += _notes(report, max(width, _NARROWEST), colour)
    lines.append(_summary(report, colour))
    return "\n".join(lines) + "\n"


def _object(judged: Judged, width: int, colour: bool) -> Iterator[str]:
    where = f"{printable(judged.file)}:{judged.line}"
    yield _styled(f"{where}  {printable(judged.title)}", colour, bold=True)
    if judged.origin:
        yield from _wrapped(f"from {printable(judged.origin)}", _INDENT, _INDENT, width)
    for finding in judged.findings:
        yield from _finding(judged, finding, width, colour)


def _finding(judged: Judged, finding: Finding, width: int, colour: bool) -> Iterator[str]:
    head = f"{_INDENT}{_WORDS[finding.level]:<8}"
    place = f"line {finding.line}" if finding.line != judged.line else ""
    about = ", ".join(part for part in (place, printable(finding.field) if finding.line else "") if part)
    yield _styled(head, colour, fg=_COLOURS[finding.level]) + (f" {about}" if about else "")
    yield from _wrapped(printable(finding.message), _INDENT * 2, _INDENT * 2, width)


def _notes(report: Report, width: int, colour: bool) -> Iterator[str]:
    """Write each note once, with how many objects it is about: a namespace has many."""
    count: Counter[str] = Counter()
    first: dict[str, Judged] = {}
    for judged in report.objects:
        for note in judged.notes:
            count[note] += 1
            first.setdefault(note, judged)
    for note, number in count.items():
        judged = first[note]
        more = f" (and {number - 1} more)" if number > 1 else ""
        where = f"{printable(judged.file)}:{judged.line}  {printable(judged.title)}{more}"
        yield _styled(where, colour, bold=True)
        yield _styled(f"{_INDENT}note", colour, fg="blue")
        yield from _wrapped(printable(note), _INDENT * 2, _INDENT * 2, width)
        yield ""


def _summary(report: Report, colour: bool) -> str:
    refused, warned, audited = report.count("refused"), report.count("warned"), report.count("audited")
    parts = [f"{_counted(len(report.objects), 'object')} checked"]
    parts += [f"{number} {word}" for number, word in ((warned, "warned"), (audited, "audited")) if number]
    parts.insert(1, f"{refused} refused" if refused else "none refused")
    if report.skipped:
        parts.append(f"{_counted(report.skipped, 'other document')} skipped")
    if report.problems:
        parts.append(f"{_counted(len(report.problems), 'error')} in the input")
    under = f" under {', '.join(report.policies)}" if report.policies else ""
    good = not refused and not report.problems
    return _styled(f"{', '.join(parts)}{under}", colour, fg="green" if good else "red")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _wrapped(text: str, first: str, rest: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _styled(text: str, colour: bool, fg: str | None = None, bold: bool | None = None) -> str:
    return click.style(text, fg=fg, bold=bold) if colour else text
