"""Dashboards: Grafana's schema knows every field, and every query reads metrics that exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dev.monitoring import dashboards, metrics, rules
from dev.monitoring.prometheus import promtool

from .test_rules import OF_THE_API_SERVER

BUILT = {uid: dashboards.dashboard(uid, spec) for uid, spec in dashboards.specs().items()}


def missing(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Return the fields of ours that were read as another value, or not at all."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [f for key in ours for f in missing(ours[key], theirs.get(key), f"{path}.{key}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [f for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) for f in missing(a, b, f"{path}[{n}]")]
    return [] if ours == theirs else [path]


def read_back(dashboard: dict[str, Any]) -> Any:
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


@pytest.mark.parametrize("uid", BUILT)
def test_grafanas_schema_has_every_field_of_a_dashboard(uid: str) -> None:
    assert missing(BUILT[uid], read_back(BUILT[uid])) == []


def test_a_field_that_grafana_doesnt_know_is_found() -> None:
    wrong = {**BUILT["daulat-overview"], "tilte": "x"}
    assert missing(wrong, read_back(wrong)) == [".tilte"]


@pytest.mark.parametrize("uid", BUILT)
def test_panels_have_ids_of_their_own_and_dont_overlap(uid: str) -> None:
    panels = BUILT[uid]["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for place in (p["gridPos"] for p in panels):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert all(x < dashboards.COLUMNS for x, _ in cells)
        taken |= cells


def test_each_metric_in_a_dashboard_exists() -> None:
    own = {series for m in (*metrics.of_operator(), *metrics.of_recorder()) for series in m.series}
    used = {name for _, expr, _ in dashboards.queries() for name in rules.selected(expr)}
    assert used - own == OF_THE_API_SERVER


def test_each_query_is_one_that_prometheus_parses(tmp_path: Path) -> None:
    found = [expr.replace("$__rate_interval", "1m") for _, expr, _ in dashboards.queries()]
    parsed = [{"record": f"q{n}", "expr": expr} for n, expr in enumerate(found)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": parsed}]}))
    assert "SUCCESS" in promtool("check", "rules", file)
