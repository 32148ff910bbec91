"""`daulat check --narrower-than` as a user runs it: what is found where, in every format, and with which exit code."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from daulat.api.names import AUTHORITY_LABEL
from daulat.cli.check.command import check
from tests.requests import merge

EXAMPLES = Path(__file__).parents[4] / "examples" / "national"
NATIONAL = EXAMPLES / "national.yaml"
LOCAL = EXAMPLES / "local"
Raw = dict[str, Any]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(check, [str(a) for a in arguments])


def changed(folder: Path, patch: Raw, name: str = "ministry-of-health", *more: Raw) -> Path:
    """Write the example with a patch over one policy's spec, and more objects."""
    objects = list(yaml.safe_load_all((LOCAL / "policies.yaml").read_text()))
    for each in objects:
        if (each["kind"], each["metadata"]["name"]) == ("SovereigntyPolicy", name):
            each["spec"] = merge(each["spec"], patch)
    file = folder / "policies.yaml"
    file.write_text(yaml.safe_dump_all([*objects, *more], sort_keys=False))
    return file


def found(*arguments: str | Path) -> tuple[int, list[Raw]]:
    done = run(*arguments, "-o", "json")
    report = json.loads(done.stdout)
    return done.exit_code, [{**f, "name": o["name"]} for o in report["objects"] for f in o["findings"]]


def test_the_example_only_narrows() -> None:
    done = run(LOCAL, "--narrower-than", NATIONAL)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "none refused" in done.stdout
    assert "compared with national national-baseline" in " ".join(done.stdout.split())


def test_a_copy_of_the_national_policy_only_narrows_it() -> None:
    assert run(NATIONAL, "--narrower-than", NATIONAL).exit_code == 0


def test_a_wider_field_is_found_at_its_line_with_both_values(tmp_path: Path) -> None:
    file = changed(tmp_path, {"models": {"sources": ["oci://docker.io/"]}})
    code, findings = found(file, "--narrower-than", NATIONAL)
    assert (code, len(findings)) == (1, 1)
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "oci://docker.io/" in text)
    assert findings[0] == {
        "name": "ministry-of-health",
        "control": "",
        "level": "error",
        "action": "Enforce",
        "policy": "national-baseline",
        "message": 'spec.models.sources: "oci://docker.io/" was set; national policy national-baseline allows'
        " oci://registry.example.my/. Remove it.",
        "field": "spec.models.sources",
        "line": line,
        "narrowing": {"grade": "wider", "national": "oci://registry.example.my/", "local": "oci://docker.io/"},
    }


def test_each_format_has_the_finding(tmp_path: Path) -> None:
    file = changed(tmp_path, {"images": {"requireDigest": None}})
    message = "spec.images.requireDigest: is false; national policy national-baseline says true. Set it to true."

    def output(form: str) -> str:
        done = run(file, "--narrower-than", NATIONAL, "-o", form)
        assert done.exit_code == 1
        return done.stdout

    assert "wider    line" in output("table")
    sarif = json.loads(output("sarif"))["runs"][0]
    assert [r["id"] for r in sarif["tool"]["driver"]["rules"]] == ["narrower-than"]
    assert [(r["ruleId"], r["message"]["text"]) for r in sarif["results"]] == [("narrower-than", message)]
    assert f'<failure message="{message}"' in output("junit")
    assert message in output("github")
    assert yaml.safe_load(output("yaml"))["narrowerThan"] == ["national-baseline"]


def test_what_cannot_be_decided_is_not_proved_and_says_why(tmp_path: Path) -> None:
    file = changed(tmp_path, {"zones": {"names": ["penang-1"]}})
    code, findings = found(file, "--narrower-than", NATIONAL)
    assert code == 1
    assert {f["narrowing"]["grade"] for f in findings} == {"undecided"}
    assert "zone penang-1 isn't in the input" in findings[0]["message"]


def test_namespaces_that_no_local_policy_governs_are_found_with_an_example(tmp_path: Path) -> None:
    selector = {"matchLabels": {"daulat.dev/sector": "health", "team": "a"}}
    code, findings = found(changed(tmp_path, {"namespaceSelector": selector}), "--narrower-than", NATIONAL)
    assert code == 1
    assert {f["field"] for f in findings} == {"spec.namespaceSelector"}
    assert "daulat.dev/sector=health,team=any-other" in findings[0]["message"]


def test_a_policy_of_other_namespaces_is_not_compared(tmp_path: Path) -> None:
    own = {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereigntyPolicy",
        "metadata": {"name": "ministry-of-education"},
        "spec": {
            "namespaceSelector": {"matchLabels": {"daulat.dev/sector": "education"}},
            "zones": {},
            "accelerators": {"profiles": ["amd-mi300x"]},
        },
    }
    done = run(changed(tmp_path, {}, "ministry-of-health", own), "--narrower-than", NATIONAL)
    assert done.exit_code == 0
    assert "national policy national-baseline governs none" in " ".join(done.stdout.split())


def test_a_national_policy_without_any_local_one_is_found(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(NATIONAL.read_text().replace("finance, health", "education").replace("national-baseline", "own"))
    code, findings = found(file, "--narrower-than", NATIONAL)
    assert (code, [f["name"] for f in findings]) == (1, ["national-baseline"])


def exemption(policy: str, **more: Any) -> Raw:
    return {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereigntyExemption",
        "metadata": {"name": "migration"},
        "spec": {
            "policy": policy,
            "controls": ["SUP-01"],
            "namespaces": ["treasury"],
            "reason": "The old mirror has tags only.",
            "requestedBy": "aminah@example.my",
            "expiresAt": (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **more,
        },
    }


def test_an_exemption_takes_away_what_the_national_policy_requires(tmp_path: Path) -> None:
    file = changed(tmp_path, {}, "ministry-of-health", exemption("ministry-of-health"))
    code, findings = found(file, "--narrower-than", NATIONAL)
    assert (code, [(f["name"], f["field"]) for f in findings]) == (1, [("migration", "spec.controls")])
    over = changed(
        tmp_path, {}, "ministry-of-health", exemption("ministry-of-health", expiresAt="2020-01-31T00:00:00Z")
    )
    assert found(over, "--narrower-than", NATIONAL) == (0, [])
    authority = tmp_path / "authority"
    authority.mkdir()
    (authority / "national.yaml").write_text(NATIONAL.read_text())
    labelled = merge(
        exemption("national-baseline"), {"metadata": {"labels": {AUTHORITY_LABEL: "national-data-office"}}}
    )
    (authority / "exemption.yaml").write_text(yaml.safe_dump(labelled))
    file = changed(tmp_path, {}, "ministry-of-health", exemption("ministry-of-health"))
    assert found(file, "--narrower-than", authority) == (0, [])


def test_an_exemption_from_the_national_policy_is_the_authority_s(tmp_path: Path) -> None:
    copy = tmp_path / "national.yaml"
    copy.write_text(NATIONAL.read_text())
    other = tmp_path / "exemption.yaml"
    labelled = merge(
        exemption("national-baseline"), {"metadata": {"labels": {AUTHORITY_LABEL: "national-data-office"}}}
    )
    other.write_text(yaml.safe_dump(labelled))
    code, findings = found(tmp_path, "--narrower-than", NATIONAL)
    assert (code, {(f["name"], f["field"]) for f in findings}) == (1, {("migration", "spec.policy")})


def test_a_record_that_differs_from_the_authority_s_is_found(tmp_path: Path) -> None:
    zone = next(d for d in yaml.safe_load_all((LOCAL / "policies.yaml").read_text()) if d["kind"] == "SovereignZone")
    zone["spec"]["country"] = "SG"
    authority = tmp_path / "authority"
    authority.mkdir()
    (authority / "zone.yaml").write_text(yaml.safe_dump(zone))
    (authority / "national.yaml").write_text(NATIONAL.read_text())
    code, findings = found(LOCAL, "--narrower-than", authority)
    assert code == 1
    assert ("putrajaya-1", "spec") in {(f["name"], f["field"]) for f in findings}


def test_policies_that_only_judge_are_compared_too(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    changed(policies, {"access": None})
    pod = tmp_path / "pod.yaml"
    pod.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    code, findings = found(pod, "--policy-dir", policies, "--narrower-than", NATIONAL)
    assert (code, [f["field"] for f in findings]) == (1, ["spec.access"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", "--narrower-than: no SovereigntyPolicy found"),
        ("apiVersion: daulat.dev/v1alpha1\nkind: SovereigntyPolicy\nmetadata: {name: a}\nspec: {}\n", "is required"),
    ],
)
def test_a_national_policy_that_cannot_be_read_is_exit_code_2(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "national.yaml"
    file.write_text(text)
    done = run(LOCAL, "--narrower-than", file)
    assert done.exit_code == 2
    assert message in done.stderr


def test_an_exemption_from_an_authority_s_policy_needs_its_label(tmp_path: Path) -> None:
    (tmp_path / "national.yaml").write_text(NATIONAL.read_text())
    (tmp_path / "exemption.yaml").write_text(yaml.safe_dump(exemption("national-baseline")))
    done = run(tmp_path)
    assert done.exit_code == 2
    assert "exemptions from it need the label daulat.dev/authority=national-data-office" in done.stderr
