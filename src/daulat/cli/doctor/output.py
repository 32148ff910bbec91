"""Writes doctor's report for people, and for programs."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby

from daulat.api.counted import counted
from daulat.doctor.finding import Finding, Report, Severity

from ..text import Page

_COLOURS = {Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan", Severity.INFO: "white"}


def as_table(report: Report, page: Page) -> str:
    """Return the report for people: findings by check, the worst first, then the checks that couldn't be made."""
    for _, findings in groupby(report.findings, key=lambda f: (f.severity, f.check)):
        _check(page, list(findings))
    if report.unchecked:
        page.line(page.styled("Not checked", bold=True))
        for unchecked in report.unchecked:
            page.wrapped(f"{unchecked.check} {unchecked.title}: needs {unchecked.needs}", "  - ")
        page.line()
    counts = {s: sum(f.severity is s for f in report.findings) for s in reversed(Severity)}
    findings_by_severity = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    checks = f"{counted(len(report.checked), 'check')} made, {len(report.unchecked)} not or not in full"
    page.wrapped(f"{findings_by_severity or 'no findings'}; {checks} ({report.server})", "")
    return str(page)


def _check(page: Page, findings: list[Finding]) -> None:
    """Write everything that one check found."""
    first = findings[0]
    severity = page.styled(f"{first.severity.upper():<6}", fg=_COLOURS[first.severity], bold=True)
    page.line(severity, f" {first.check}  ", page.styled(first.title, bold=True))
    for finding in findings:
        page.wrapped(finding.what, "  - ")
    page.wrapped(first.why, "  why: ")
    for remedy in dict.fromkeys(f.remedy for f in findings):
        page.wrapped(remedy, "  do:  ")
    page.line()


def structured(report: Report) -> dict[str, object]:
    """Return the report for programs."""
    return {
        "apiVersion": "doctor.daulat.dev/v1",
        "server": report.server,
        "findings": [asdict(f) | {"severity": str(f.severity), "objects": list(f.objects)} for f in report.findings],
        "notChecked": [asdict(u) | {"severity": str(u.severity)} for u in report.unchecked],
        "checked": list(report.checked),
    }
