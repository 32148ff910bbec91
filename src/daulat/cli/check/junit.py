"""For CI systems that read JUnit, such as GitLab and Jenkins: a test case an object, a test suite a file."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from daulat.check.report import Judged, Report
from daulat.manifest.document import Problem

# Characters that XML 1.0 can't hold, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(report: Report) -> str:
    """Return the report. A refusal is a failure, a warning is in the case's output, an error in the input is an error."""
    objects: dict[str, list[Judged]] = {}
    problems: dict[str, list[Problem]] = {}
    for judged in report.objects:
        objects.setdefault(judged.file, []).append(judged)
    for problem in report.problems:
        problems.setdefault(problem.file, []).append(problem)
    root = Element("testsuites", {"name": "daulat check"})
    totals = [0, 0, 0]
    for file in dict.fromkeys([*objects, *problems]):
        counts = _suite(root, file, objects.get(file, []), problems.get(file, []))
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
    for name, total in zip(("tests", "failures", "errors"), totals, strict=True):
        root.set(name, str(total))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, file: str, objects: list[Judged], problems: list[Problem]) -> tuple[int, int, int]:
    failures = sum(o.result == "refused" for o in objects)
    unevaluated = sum(o.result == "unevaluated" for o in objects)
    counts = (len(objects) + len(problems), failures, len(problems) + unevaluated)
    suite = SubElement(root, "testsuite", {"name": _xml(file)})
    for name, count in zip(("tests", "failures", "errors"), counts, strict=True):
        suite.set(name, str(count))
    for judged in objects:
        _case(suite, judged)
    for problem in problems:
        case = SubElement(suite, "testcase", {"classname": _xml(file), "name": f"input, line {problem.line}"})
        message = f"{problem.field}: {problem.message}" if problem.field else problem.message
        SubElement(case, "error", {"message": _xml(message), "type": "input"}).text = _xml(str(problem))
    return counts


def _case(suite: Element, judged: Judged) -> None:
    name = f"{judged.title} (line {judged.line})"
    case = SubElement(suite, "testcase", {"classname": _xml(judged.file), "name": _xml(name)})
    refusals = [f for f in judged.findings if f.level == "error"]
    others = [f"{f.level}: {f.message}" for f in judged.findings if f.level != "error"]
    output = [*others, *(f"note: {note}" for note in judged.notes)]
    if refusals:
        # Some readers show only the first failure of a case, so there is one, with all of them.
        message = refusals[0].message if len(refusals) == 1 else f"{len(refusals)} violations"
        controls = ",".join(dict.fromkeys(f.control for f in refusals if f.control))
        element = "error" if judged.result == "unevaluated" else "failure"
        failure = SubElement(case, element, {"message": _xml(message), "type": controls or "daulat"})
        failure.text = _xml("\n".join(f"{judged.file}:{f.line}: {f.message}" for f in refusals))
    if output:
        SubElement(case, "system-out").text = _xml("\n".join(output))


def _xml(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
