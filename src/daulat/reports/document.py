"""Writes a tally up as an object of one of the APIs of reports, and says whether what the cluster has is the same."""

from __future__ import annotations

from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.names import GROUP, MANAGED_BY, REPORT_NAME
from daulat.kube.resources import Resource

from .result import ORDER
from .tally import Tally

LEFT_OUT = f"{GROUP}/results-left-out"
"""The annotation that says how many results a report doesn't list. Its summary counts them."""
_OURS = {MANAGED_BY: "daulat"}


def report(resource: Resource, tally: Tally, namespace: str = "", uid: str = "") -> Manifest:
    """Return the report of a namespace, or of the cluster where none is named. The same tally gives the same bytes."""
    body: Manifest = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": REPORT_NAME,
            "labels": dict(_OURS),
            "annotations": {LEFT_OUT: str(tally.left_out)},
            **({"namespace": namespace} if namespace else {}),
        },
        "summary": {str(outcome): tally.counts[outcome] for outcome in ORDER},
        "results": [result.manifest() for result in tally.listed],
    }
    if namespace:
        body["scope"] = {"apiVersion": "v1", "kind": "Namespace", "name": namespace, **({"uid": uid} if uid else {})}
    return body


def same(wanted: Manifest, live: Manifest | None) -> bool:
    """Say whether the cluster's report says what it should. Fields that others added don't count."""
    return live is not None and all(_within(wanted[key], live.get(key)) for key in wanted if key != "apiVersion")


def _within(wanted: Any, live: Any) -> bool:
    """Say whether the object holds these fields with these values. A list is one value."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(_within(value, live.get(key)) for key, value in wanted.items())
    return bool(wanted == live) or (not wanted and not live and live is None)
