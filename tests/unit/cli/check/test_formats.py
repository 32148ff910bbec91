"""Every format of `daulat check` holds the same findings, in the form that its readers ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema
import yaml
from click.testing import CliRunner

from daulat.check.report import Finding, Judged, Report
from daulat.cli.check.command import check
from daulat.cli.check.table import as_table
from daulat.cli.text import Page
from daulat.controls import library
from tests.unit.check.scene import BAD, namespace, pod, policy

SCHEMAS = Path(__file__).parents[3] / "schemas"
INPUTS = ("full", "fine", "unusable")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with one file of each sort, as a repository has them."""
    monkeypatch.chdir(tmp_path)
    by = [policy(controls={"STO-07": "Warn", "USE-04": "Audit"}), namespace()]
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.yaml").write_text("---\n".join(yaml.safe_dump(o) for o in by))
    odd = pod(BAD, "warned % \x07\n, :: <&>", nodeName="gpu-7")
    full = [pod(), odd, pod(BAD, "warned"), pod(hostIPC=True, name="refused"), pod(namespace="unknown", name="noted")]
    broken = "apiVersion: v1\nkind: Pod\nmetadata: {name: x, name: y}\n"
    documents = "\n---\n".join(json.dumps(o) for o in full)
    Path("full.yaml").write_text(documents)
    Path("fine.yaml").write_text(json.dumps(pod()))
    Path("unusable.yaml").write_text(f"{documents}\n---\n{broken}")


def said(form: str, name: str = "full") -> str:
    done = CliRunner().invoke(check, [f"{name}.yaml", "--policy-dir", "policies", "-o", form])
    assert done.exit_code == {"full": 1, "fine": 0, "unusable": 2}[name]
    return done.stdout_bytes.decode()


def report(name: str = "full") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said("json", name))
    return found


def findings(name: str = "full") -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(o, f) for o in report(name)["objects"] for f in o["findings"]]


def test_the_sample_has_findings_of_every_kind() -> None:
    found = report("unusable")
    assert {f["level"] for _, f in findings()} == {"error", "warning", "note"}
    assert any(o["notes"] for o in found["objects"])
    assert found["problems"]


def test_the_summary_adds_up() -> None:
    found = report("unusable")
    summary, objects = found["summary"], found["objects"]
    assert summary["objects"] == len(objects) == 5
    for result in ("allowed", "refused", "warned", "audited"):
        assert summary[result] == sum(o["result"] == result for o in objects)
    assert summary["problems"] == len(found["problems"]) == 1
    assert (found["apiVersion"], found["kind"]) == ("check.daulat.dev/v1", "CheckReport")


@pytest.mark.parametrize("name", INPUTS)
def test_yaml_says_what_json_says(name: str) -> None:
    assert yaml.safe_load(said("yaml", name)) == report(name)


@pytest.mark.parametrize("name", INPUTS)
def test_sarif_follows_its_schema(name: str) -> None:
    schema = json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text())
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    assert [e.message for e in validator(schema).iter_errors(json.loads(said("sarif", name)))] == []


def test_sarif_holds_every_finding_with_its_rule_file_and_line() -> None:
    (run,) = json.loads(said("sarif"))["runs"]
    rules = run["tool"]["driver"]["rules"]
    told = []
    for result in run["results"]:
        physical = result["locations"][0]["physicalLocation"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert physical["artifactLocation"] == {"uri": "full.yaml", "uriBaseId": "SRCROOT"}
        told.append((result["ruleId"], result["level"], result["message"]["text"], physical["region"]["startLine"]))
    assert told == [(f["control"], f["level"], f["message"], f["line"]) for _, f in findings()]
    titles = {c.id: c.title for c in library.controls()}
    assert {r["id"]: r["shortDescription"]["text"] for r in rules} == {r["id"]: titles[r["id"]] for r in rules}


def test_a_sarif_fingerprint_is_one_findings_own_and_outlives_moved_lines() -> None:
    def fingerprints() -> list[str]:
        (run,) = json.loads(said("sarif"))["runs"]
        return [r["partialFingerprints"]["daulat/v1"] for r in run["results"]]

    before = fingerprints()
    assert len(set(before)) == len(before)
    file = Path("full.yaml")
    file.write_text("# a comment\n\n" + file.read_text())
    assert fingerprints() == before


def test_sarif_tells_input_that_cant_be_used() -> None:
    (run,) = json.loads(said("sarif", "unusable"))["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    errors = [n["message"]["text"] for n in invocation["toolExecutionNotifications"] if n["level"] == "error"]
    assert errors == ['duplicate key "name"']


@pytest.mark.parametrize("name", INPUTS)
def test_junit_follows_its_schema(name: str) -> None:
    xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(said("junit", name))


def test_junit_has_a_case_an_object_and_its_failures_hold_every_refusal() -> None:
    root = ET.fromstring(said("junit", "unusable"))  # noqa: S314 - our own
    found = report("unusable")
    cases = root.findall("./testsuite/testcase")
    assert len(cases) == len(found["objects"]) + len(found["problems"])
    failed = [o for o in found["objects"] if o["result"] == "refused"]
    failures = root.findall(".//failure")
    assert len(failures) == len(failed)
    for failure, judged in zip(failures, failed, strict=True):
        refusals = [f for f in judged["findings"] if f["level"] == "error"]
        assert failure.attrib["type"] == ",".join(dict.fromkeys(f["control"] for f in refusals))
        assert (failure.text or "").count("full.yaml") == 0
        assert all(f"unusable.yaml:{f['line']}: {f['control']}" in (failure.text or "") for f in refusals)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == (str(len(cases)), str(len(failed)), "1")


def test_github_annotates_every_finding_on_its_line_in_one_line_each() -> None:
    lines = said("github", "unusable").splitlines()
    found = report("unusable")
    notes = sum(len(o["notes"]) for o in found["objects"])
    assert len(lines) == len(findings("unusable")) + notes + len(found["problems"])
    commands = {"error": "error", "warning": "warning", "note": "notice"}
    for judged, finding in findings("unusable"):
        start = f"::{commands[finding['level']]} file=unusable.yaml,line={finding['line']},title={finding['control']} "
        message = finding["message"].replace("%", "%25").replace("\n", "%0A")
        (line,) = [x for x in lines if x.startswith(start) and x.endswith(f"::{message}") and _title(judged) in x]
        assert line.count("::") >= 2
    assert '::error file=unusable.yaml,line=13,title=input::duplicate key "name"' in lines


def _title(judged: dict[str, Any]) -> str:
    title = f"{judged['kind']} {judged['namespace']}/{judged['name']}"
    for character, code in (("%", "%25"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        title = title.replace(character, code)
    return title


def test_the_table_has_colour_on_a_terminal_only_and_lines_that_fit() -> None:
    message = 'SUP-01 spec.containers["main"].image: ' + "word " * 40
    finding = Finding("SUP-01", message, "Enforce", "confidential", 'spec.containers["main"].image', 7)
    judged = Judged("pod.yaml", 1, "v1", "Pod", "treasury", "p", policies=("confidential",), findings=(finding,))
    plain = as_table(Report(("confidential",), [judged]), Page(60))
    assert max(len(line) for line in plain.splitlines()) <= 60
    assert "\x1b" not in plain
    assert "\x1b[31m" in as_table(Report(("confidential",), [judged]), Page(60, colour=True))
    assert "\x1b" not in said("table")


def test_the_tables_last_line_counts_what_policies_refuse_and_the_errors_in_the_input_apart() -> None:
    assert said("table", "unusable").splitlines()[-1] == (
        "5 objects checked, 1 refused, 2 warned under confidential, 1 error in the input"
    )


def test_the_table_groups_findings_by_object() -> None:
    table = said("table")
    for judged in report()["objects"]:
        head = f"full.yaml:{judged['line']}  {judged['kind']} {judged['namespace']}/"
        assert (head in table) == bool(judged["findings"] or judged["notes"])
