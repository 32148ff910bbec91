"""For code scanning: SARIF 2.1.0, with a rule a control and fingerprints that survive moved lines."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from daulat import __version__
from daulat.check.report import Finding, Judged, Report
from daulat.controls import library
from daulat.manifest.document import Problem

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
OTHER = "daulat"
"""The rule of findings without a control: a policy that can't be evaluated, or a namespace that isn't known."""
NARROWER = "narrower-than"
"""The rule of findings by --narrower-than."""
_ROOT = "SRCROOT"


def as_sarif(report: Report) -> str:
    """Return the report. The working directory is the root that paths are relative to."""
    used = sorted({_rule_of(f) for o in report.objects for f in o.findings})
    index = {rule: n for n, rule in enumerate(used)}
    seen: Counter[str] = Counter()
    results = [_result(o, f, index, seen) for o in report.objects for f in o.findings]
    run = {
        "tool": {
            "driver": {
                "name": "daulat",
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in used],
            }
        },
        "originalUriBaseIds": {_ROOT: {"uri": PurePath(os.getcwd()).as_uri() + "/"}},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not report.problems and not report.count("unevaluated"),
                "toolExecutionNotifications": [
                    *(_problem(p) for p in report.problems),
                    *(_note(o, note) for o in report.objects for note in o.notes),
                    *({"level": "note", "message": {"text": remark}} for remark in report.unbuilt),
                ],
            }
        ],
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def _rule_of(finding: Finding) -> str:
    return NARROWER if finding.narrowing else finding.control or OTHER


def _rule(rule: str) -> dict[str, Any]:
    if rule == NARROWER:
        return {"id": rule, "shortDescription": {"text": "A policy only narrows the national policies"}}
    controls = [c for c in library.controls() if c.id == rule]
    if not controls:
        return {"id": rule, "shortDescription": {"text": "What couldn't be decided is refused"}}
    # An id may hang on several guards, with the same title and a reason of its own for each.
    why = "\n\n".join(dict.fromkeys(c.why.strip() for c in controls))
    return {
        "id": rule,
        "name": "".join(word.capitalize() for word in controls[0].title.replace("'", "").split() if word.isalnum()),
        "shortDescription": {"text": controls[0].title},
        "fullDescription": {"text": why},
        "help": {"text": why, "markdown": f"**{controls[0].title}**\n\n{why}"},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["sovereignty", controls[0].axis]},
    }


def _result(judged: Judged, finding: Finding, index: dict[str, int], seen: Counter[str]) -> dict[str, Any]:
    rule = _rule_of(finding)
    identity = "\0".join(
        (rule, finding.policy, judged.file, judged.kind, judged.namespace, judged.name, finding.field, finding.message)
    )
    fingerprint = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    seen[fingerprint] += 1
    logical = {"fullyQualifiedName": f"{judged.title}: {finding.field}", "kind": "object"}
    return {
        "ruleId": rule,
        "ruleIndex": index[rule],
        "level": finding.level,
        "message": {"text": finding.message},
        "locations": [{**_location(judged.file, finding.line), "logicalLocations": [logical]}],
        "partialFingerprints": {"daulat/v1": f"{fingerprint}:{seen[fingerprint]}"},
        "properties": {
            "policy": finding.policy,
            "action": finding.action,
            "field": finding.field,
            **_narrowing(finding),
        },
    }


def _narrowing(finding: Finding) -> dict[str, str]:
    narrowing = finding.narrowing
    return (
        {"grade": narrowing.grade, "national": narrowing.national, "local": narrowing.local}
        if narrowing is not None
        else {}
    )


def _location(file: str, line: int) -> dict[str, Any]:
    artifact: dict[str, Any] = {"uri": quote(PurePath(file).as_posix())}
    path = PurePath(file)
    if path.is_absolute():
        try:
            artifact = {"uri": quote(path.relative_to(os.getcwd()).as_posix()), "uriBaseId": _ROOT}
        except ValueError:
            artifact = {"uri": path.as_uri()}
    else:
        artifact["uriBaseId"] = _ROOT
    return {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": max(line, 1)}}}


def _problem(problem: Problem) -> dict[str, Any]:
    text = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return {"level": "error", "message": {"text": text}, "locations": [_location(problem.file, problem.line)]}


def _note(judged: Judged, note: str) -> dict[str, Any]:
    return {"level": "note", "message": {"text": note}, "locations": [_location(judged.file, judged.line)]}
