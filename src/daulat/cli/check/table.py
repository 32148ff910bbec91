"""For people: findings by object, with file and line."""

from __future__ import annotations

from collections import Counter

from daulat.check.report import Finding, Judged, Report

from ..text import Page

_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}
_WORDS = {"error": "refused", "warning": "warned", "note": "audited"}
_INDENT = "  "


def as_table(report: Report, page: Page) -> str:
    """Return what was found. Objects about which nothing was found are only counted."""
    for judged in report.objects:
        if judged.findings:
            _object(page, judged)
    _notes(page, report)
    for remark in report.unbuilt:
        page.line(page.styled("note", fg="blue"))
        page.wrapped(remark, _INDENT)
        page.line()
    _summary(page, report)
    return str(page)


def _object(page: Page, judged: Judged) -> None:
    page.line(page.styled(f"{judged.file}:{judged.line}  {judged.title}", bold=True))
    if judged.origin:
        page.wrapped(f"from {judged.origin}", _INDENT)
    for finding in judged.findings:
        _finding(page, judged, finding)
    page.line()


def _finding(page: Page, judged: Judged, finding: Finding) -> None:
    place = f"line {finding.line}" if finding.line != judged.line else ""
    about = ", ".join(part for part in (place, finding.field if finding.line else "") if part)
    word = "not evaluated" if finding.unevaluated else _WORDS[finding.level]
    word = finding.narrowing.grade if finding.narrowing else word
    head = page.styled(f"{_INDENT}{word:<8}", fg=_COLOURS[finding.level])
    page.line(head, page.styled(f" {about}") if about else "")
    page.wrapped(finding.message, _INDENT * 2)


def _notes(page: Page, report: Report) -> None:
    """Write each note once, with the number of objects that it is about: a namespace has many."""
    count: Counter[str] = Counter()
    first: dict[str, Judged] = {}
    for judged in report.objects:
        for note in judged.notes:
            count[note] += 1
            first.setdefault(note, judged)
    for note, number in count.items():
        judged = first[note]
        more = f" (and {number - 1} more)" if number > 1 else ""
        page.line(page.styled(f"{judged.file}:{judged.line}  {judged.title}{more}", bold=True))
        page.line(page.styled(f"{_INDENT}note", fg="blue"))
        page.wrapped(note, _INDENT * 2)
        page.line()


def _summary(page: Page, report: Report) -> None:
    refused, warned, audited = report.count("refused"), report.count("warned"), report.count("audited")
    under = f" under {', '.join(report.policies)}" if report.policies else ""
    parts = [f"{_counted(len(report.objects), 'object')} checked"]
    parts += [f"{number} {word}" for number, word in ((warned, "warned"), (audited, "audited")) if number]
    parts.insert(1, f"{refused} refused" if refused else "none refused")
    parts[-1] += under
    if unevaluated := report.count("unevaluated"):
        parts.append(f"{unevaluated} could not be evaluated")
    if unjudged := sum(bool(o.unjudged) for o in report.objects):
        parts.append(f"{unjudged} not judged in full")
    if report.skipped:
        parts.append(f"{_counted(report.skipped, 'other document')} skipped")
    if report.problems:
        parts.append(f"{_counted(len(report.problems), 'error')} in the input")
    if report.narrower_than:
        parts.append(f"compared with national {', '.join(report.narrower_than)}")
    good = not refused and not unevaluated and not report.problems
    page.wrapped(", ".join(parts), "", fg="green" if good else "red")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
