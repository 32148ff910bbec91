"""For programs: the report as one JSON or YAML document, which docs/how-to/check.md describes. Fields are added, never changed."""

from __future__ import annotations

from typing import Any

from daulat.check.report import Finding, Judged, Report
from daulat.manifest.document import Problem

from .. import structured

API_VERSION = "check.daulat.dev/v1"


def as_json(report: Report) -> str:
    """Return the report as JSON."""
    return structured.as_json(_report(report))


def as_yaml(report: Report) -> str:
    """Return the report as YAML."""
    return structured.as_yaml(_report(report))


def _report(report: Report) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "CheckReport",
        "summary": {
            "objects": len(report.objects),
            "allowed": report.count("allowed"),
            "refused": report.count("refused"),
            "warned": report.count("warned"),
            "audited": report.count("audited"),
            "unjudged": report.count("unjudged"),
            "unevaluated": report.count("unevaluated"),
            "problems": len(report.problems),
            "skipped": report.skipped,
        },
        "policies": list(report.policies),
        "narrowerThan": list(report.narrower_than),
        "objects": [_object(o) for o in report.objects],
        "unbuilt": list(report.unbuilt),
        "problems": [_problem(p) for p in report.problems],
    }


def _object(judged: Judged) -> dict[str, Any]:
    return {
        "file": judged.file,
        "line": judged.line,
        "apiVersion": judged.api_version,
        "kind": judged.kind,
        "namespace": judged.namespace,
        "name": judged.name,
        "origin": judged.origin,
        "result": judged.result,
        "policies": list(judged.policies),
        "findings": [_finding(f) for f in judged.findings],
        "notes": list(judged.notes),
        "unjudged": [{"field": u.field, "line": u.line, "message": u.message} for u in judged.unjudged],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    narrowing = finding.narrowing
    return {
        "control": finding.control,
        "level": finding.level,
        "action": finding.action,
        "policy": finding.policy,
        "message": finding.message,
        "field": finding.field,
        "line": finding.line,
        **(
            {"narrowing": {"grade": narrowing.grade, "national": narrowing.national, "local": narrowing.local}}
            if narrowing
            else {}
        ),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "field": problem.field, "message": problem.message}
