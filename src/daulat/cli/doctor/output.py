"""Writes doctor's report for people, and for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby

import click

from daulat.doctor.finding import Report, Severity
from daulat.manifest.yaml_writer import dump

WIDTH = 110
_COLOURS = {Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan", Severity.INFO: "white"}


def table(report: Report) -> str:
    """Return the report for people: findings by check, the worst first, then what couldn't be looked at."""
    lines: list[str] = []
    for (severity, check), group in groupby(report.findings, key=lambda f: (f.severity, f.check)):
        findings = list(group)
        first = findings[0]
        lines.append(f"{_mark(severity)} {check}  {click.style(first.title, bold=True)}")
        lines += [line for f in findings for line in _wrapped(f.what, "  - ")]
        lines += _wrapped(first.why, "  why: ")
        lines += [line for remedy in dict.fromkeys(f.remedy for f in findings) for line in _wrapped(remedy, "  do:  ")]
        lines.append("")
    if report.unchecked:
        lines.append(click.style("Not checked", bold=True))
        for u in report.unchecked:
            lines += _wrapped(f"{u.check} {u.title}: needs {u.needs}", "  - ")
        lines.append("")
    counts = {s: sum(f.severity is s for f in report.findings) for s in reversed(Severity)}
    told = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count) or "no findings"
    lines.append(
        f"{told}; {len(report.checked)} checks made, {len(report.unchecked)} not or not in full ({report.server})"
    )
    return "\n".join(lines) + "\n"


def structured(report: Report) -> dict[str, object]:
    """Return the report for programs."""
    return {
        "apiVersion": "doctor.daulat.dev/v1",
        "server": report.server,
        "findings": [asdict(f) | {"severity": str(f.severity), "objects": list(f.objects)} for f in report.findings],
        "notChecked": [asdict(u) | {"severity": str(u.severity)} for u in report.unchecked],
        "checked": list(report.checked),
    }


def _json(report: Report) -> str:
    return json.dumps(structured(report), indent=2, ensure_ascii=False) + "\n"


def _yaml(report: Report) -> str:
    return dump(structured(report))


WRITERS: dict[str, Callable[[Report], str]] = {"table": table, "json": _json, "yaml": _yaml}
"""How a report is written, by the name of the format."""


def _mark(severity: Severity) -> str:
    return click.style(f"{severity.upper():<6}", fg=_COLOURS[severity], bold=True)


def _wrapped(text: str, head: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
