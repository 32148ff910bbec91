"""For GitHub Actions: workflow commands, which show as annotations on the changed lines."""

from __future__ import annotations

from daulat.check.report import Finding, Judged, Report
from daulat.manifest.document import Problem

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def as_github(report: Report) -> str:
    """Return one command a finding, a note and an error in the input."""
    lines = [_problem(p) for p in report.problems]
    for judged in report.objects:
        lines += [_finding(judged, f) for f in judged.findings]
        lines += [_command("notice", judged.file, judged.line, judged.title, note) for note in judged.notes]
    lines += [f"::notice title=not built::{_data(remark)}" for remark in report.unbuilt]
    return "".join(f"{line}\n" for line in lines)


def _finding(judged: Judged, finding: Finding) -> str:
    rule = "narrower-than" if finding.narrowing else finding.control or "daulat"
    title = f"{rule} {judged.title}"
    return _command(_COMMANDS[finding.level], judged.file, finding.line, title, finding.message)


def _problem(problem: Problem) -> str:
    message = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return _command("error", problem.file, problem.line, "input", message)


def _command(command: str, file: str, line: int, title: str, message: str) -> str:
    where = f",line={line}" if line else ""
    return f"::{command} file={_property(file)}{where},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """Escape a message as actions/toolkit does (packages/core/src/command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
