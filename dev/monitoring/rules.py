"""Rules of Prometheus: read from alerts.yaml, and written for a Prometheus server and for the chart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from daulat.manifest.yaml_writer import dump_manifest
from dev.pages import between, page, table

SOURCE = Path(__file__).with_name("alerts.yaml")
RUNBOOKS = Path("docs/how-to/runbooks")
RUNBOOK_URL = "https://github.com/daulat/daulat/blob/main/docs/how-to/runbooks/"
FILES = {"rules": "rules.yaml", "recorder": "recorder-rules.yaml"}
"""By the set's name in alerts.yaml, the file of each set."""
PLACES = (Path("contrib/prometheus"), Path("charts/daulat/files/prometheus"))
PAGE = page("metrics")
SECTION = "alerts"


@dataclass(frozen=True)
class Rule:
    """A rule that raises an alert, or that records a series."""

    name: str
    expr: str
    pending: str = ""
    """For how long the expression holds before the alert fires; empty for a recording rule."""
    severity: str = ""
    summary: str = ""
    description: str = ""

    @property
    def is_alert(self) -> bool:
        """Whether it raises an alert."""
        return bool(self.severity)

    def manifest(self) -> dict[str, Any]:
        """Return it as Prometheus reads it."""
        if not self.is_alert:
            return {"record": self.name, "expr": self.expr}
        annotations = {"summary": self.summary, "description": self.description}
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.pending,
            "labels": {"severity": self.severity},
            "annotations": {**annotations, "runbook_url": f"{RUNBOOK_URL}{self.name}.md"},
        }


_LABEL = re.compile(r"{{ \$labels\.(\w+) }}")
Groups = Mapping[str, Sequence[Rule]]
"""Rules by the group that evaluates them together."""


def sets() -> Mapping[str, Groups]:
    """Return the groups of each set."""
    found = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return {name: {group: [_parsed(r) for r in rules] for group, rules in found[name].items()} for name in FILES}


def rules() -> Iterator[Rule]:
    """Yield all rules."""
    for groups in sets().values():
        for members in groups.values():
            yield from members


def rendered(groups: Groups) -> str:
    """Return a rule file of Prometheus."""
    found = [{"name": name, "rules": [rule.manifest() for rule in members]} for name, members in groups.items()]
    return dump_manifest({"groups": found})


def written(header: str, root: Path) -> dict[Path, str]:
    """Return the rule files, and the page with its table of alerts."""
    files = {place / FILES[name]: header + rendered(groups) for place in PLACES for name, groups in sets().items()}
    rows = [
        (
            f"[{r.name}](../how-to/{RUNBOOKS.name}/{r.name}.md)",
            r.severity,
            r.pending if r.pending != "0m" else "",
            _LABEL.sub(r"*\1*", r.summary),
        )
        for r in rules()
        if r.is_alert
    ]
    text = (root / PAGE).read_text(encoding="utf-8")
    return {**files, PAGE: between(text, SECTION, table(("alert", "severity", "after", "summary"), rows))}


def selected(expr: str) -> set[str]:
    """Return the metrics of Daulat and of the API server that an expression selects."""
    without_texts = re.sub(r'"[^"]*"', "", expr)
    return set(re.findall(r"\b(?:[a-z_]+:)?(?:daulat|apiserver)_[a-z_]+(?::\w+)?", without_texts))


def _parsed(raw: Mapping[str, str]) -> Rule:
    if "record" in raw:
        return Rule(raw["record"], raw["expr"])
    texts = (raw[key] for key in ("alert", "expr", "for", "severity", "summary", "description"))
    return Rule(*texts)
