"""Grafana's dashboards: read from dashboards.yaml, and written as the JSON that Grafana imports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).with_name("dashboards.yaml")
PLACES = (Path("contrib/grafana"), Path("charts/daulat/files/grafana"))
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
HEIGHTS = {"stat": 4, "timeseries": 8, "table": 8}
"""By a panel's type, its height in Grafana's grid."""
WIDTH = 4
Json = dict[str, Any]


def written() -> dict[Path, str]:
    """Return each dashboard's file."""
    return {
        place / f"{uid}.json": json.dumps(dashboard(uid, spec), indent=2) + "\n"
        for uid, spec in specs().items()
        for place in PLACES
    }


def specs() -> Mapping[str, Any]:
    """Return the dashboards of dashboards.yaml, by their uid."""
    found: Mapping[str, Any] = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return found


def queries() -> Iterator[tuple[str, str, str]]:
    """Yield the title of a panel, an expression, and when it is empty though all is well."""
    for spec in specs().values():
        for row in spec["rows"]:
            for panel in row["panels"]:
                for target in panel[_type(panel)]:
                    yield panel["title"], target["expr"], panel.get("empty", "")


def dashboard(uid: str, spec: Mapping[str, Any]) -> Json:
    """Return a dashboard as Grafana reads it."""
    variable = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": uid,
        "title": spec["title"],
        "description": spec["description"],
        "tags": ["daulat"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "schemaVersion": 36,
        "templating": {"list": [variable]},
        "panels": list(_panels(spec["rows"])),
    }


def _panels(rows: Sequence[Mapping[str, Any]]) -> Iterator[Json]:
    number, y = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row["title"], "collapsed": False, "panels": [], "gridPos": place}
        x, y, lowest = 0, y + 1, y + 1
        for spec in row["panels"]:
            number += 1
            width, height = spec.get("width", WIDTH), HEIGHTS[_type(spec)]
            if x + width > COLUMNS:
                x, y = 0, lowest
            yield {**_panel(spec), "id": number, "gridPos": {"x": x, "y": y, "w": width, "h": height}}
            x, lowest = x + width, max(lowest, y + height)
        y = lowest


def _panel(spec: Mapping[str, Any]) -> Json:
    kind = _type(spec)
    empty = f" Without data where {spec['empty']}." if "empty" in spec else ""
    return {
        "type": kind,
        "title": spec["title"],
        "description": spec["description"] + empty,
        "datasource": DATASOURCE,
        "targets": [_target(kind, target, chr(ord("A") + n)) for n, target in enumerate(spec[kind])],
        "fieldConfig": {"defaults": _defaults(spec), "overrides": []},
        "options": OPTIONS[kind],
    } | ({"transformations": TABLE} if kind == "table" else {})


def _target(kind: str, target: Mapping[str, str], letter: str) -> Json:
    common = {"refId": letter, "datasource": DATASOURCE, "expr": target["expr"]}
    if kind == "timeseries":
        return {**common, "range": True, "legendFormat": target["legend"]}
    return {**common, "instant": True, "range": False, "format": "table" if kind == "table" else "time_series"}


def _defaults(spec: Mapping[str, Any]) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if "bad" in spec:
        steps.append({"color": "red", "value": spec["bad"]})
    elif "good" in spec:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": spec["good"]}]
        steps.append({"color": "red", "value": spec["good"] + 1})
    unit = {"unit": spec["unit"]} if "unit" in spec else {}
    return {**unit, "thresholds": {"mode": "absolute", "steps": steps}}


def _type(spec: Mapping[str, Any]) -> str:
    (found,) = HEIGHTS.keys() & spec.keys()
    return found


OPTIONS: Mapping[str, Json] = {
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "graphMode": "none"},
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "table": {"showHeader": True},
}
TABLE = [{"id": "organize", "options": {"excludeByName": {"Time": True}}}]
"""Without the column of the time, which is the same in every row."""
