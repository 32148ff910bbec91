"""Rules of Prometheus under promtool: each alert fires, and is quiet, on series that its case names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from daulat.recorder import metrics as recorder
from daulat.reporter import metrics as reporter
from dev.monitoring import metrics, rules
from dev.monitoring.prometheus import promtool

ROOT = Path(__file__).parents[3]
CASES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("alert-cases.yaml").read_text())
ALERTS = {rule.name: rule for rule in rules.rules() if rule.is_alert}
OF_THE_API_SERVER = {
    "apiserver_mutating_admission_policy_check_total",
    "apiserver_validating_admission_policy_check_total",
    "apiserver_validating_admission_policy_check_duration_seconds_bucket",
}


def text(template: str, case: dict[str, Any]) -> str:
    """Return a text of an alert as the case expects it."""
    shown = re.sub(r"{{ \$labels\.(\w+) }}", lambda m: str(case["labels"][m[1]]), template)
    return re.sub(r"{{ \$value[^}]*}}", lambda m: str(case["value"]), shown)


def expected(alert: rules.Rule, case: dict[str, Any]) -> dict[str, Any]:
    annotations = alert.manifest()["annotations"]
    return {
        "exp_labels": {"severity": alert.severity, **case.get("labels", {})},
        "exp_annotations": {name: text(template, case) for name, template in annotations.items()},
    }


def test_each_alert_fires_and_is_quiet_when_it_should(tmp_path: Path) -> None:
    tests = []
    for name, cases in CASES.items():
        for case in (cases["fires"], *cases["quiet"]):
            alerts = [expected(ALERTS[name], case)] if case is cases["fires"] else []
            tests.append(
                {
                    "name": f"{name} at {case['at']}",
                    "interval": "1m",
                    "input_series": [{"series": s, "values": str(v)} for s, v in case["series"].items()],
                    "alert_rule_test": [{"eval_time": case["at"], "alertname": name, "exp_alerts": alerts}],
                }
            )
    files = [str(ROOT / rules.PLACES[0] / file) for file in rules.FILES.values()]
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": files, "evaluation_interval": "1m", "tests": tests}))
    assert "SUCCESS" in promtool("test", "rules", path)


def test_each_alert_has_a_case_that_fires_and_one_that_doesnt() -> None:
    assert set(CASES) == set(ALERTS)
    assert all(cases["fires"] and cases["quiet"] for cases in CASES.values())


def test_the_rule_files_pass_promtool_without_a_finding() -> None:
    for file in rules.FILES.values():
        assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", ROOT / rules.PLACES[0] / file)


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    pages = {path.stem: path.read_text() for path in (ROOT / rules.RUNBOOKS).glob("*.md")}
    assert set(pages) == set(ALERTS)
    for name, page in pages.items():
        assert page.startswith(f"# {name}\n")
        assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["Meaning", "Confirm", "Resolve"], name


def test_each_metric_in_a_rule_exists() -> None:
    own = {series for m in (*metrics.of_operator(), *metrics.of_recorder()) for series in m.series}
    used = {name for rule in rules.rules() for name in rules.selected(rule.expr)}
    recorded = {rule.name for rule in rules.rules() if not rule.is_alert}
    assert used - own - recorded == OF_THE_API_SERVER


def test_what_each_process_exposes_passes_promtool() -> None:
    for _, exposed in metrics.texts():
        assert promtool("check", "metrics", stdin=exposed) == ""


def test_no_other_process_answers_for_the_operator_in_an_alert_about_it() -> None:
    others = {name for each in (reporter, recorder) for name in each.REGISTRY._names_to_collectors}
    assert {"daulat_report_results", "daulat_ledger_size"} <= others
    for members in rules.sets()["rules"].values():
        for rule in members:
            assert not rules.selected(rule.expr) & others, rule.name
