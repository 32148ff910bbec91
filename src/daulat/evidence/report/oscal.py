"""The report as OSCAL assessment-results: one observation a claim. There are no findings, since nothing is assessed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .proofs import proof_path
from .uuids import uuid5

VERSION = "1.1.3"
_NAMESPACE = "https://daulat.dev/ns/oscal"
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~^$&-])")


def assessment_results(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OSCAL document of a report."""
    log, period = report["log"], report["period"]
    # The same log, period and time make the same document.
    base = (log["origin"], log["root"], period["from"], period["until"], report["made"], report.get("policy", ""))
    resource = uuid5(*base, "plan")
    observations = list(_observations(report, base))
    result: dict[str, Any] = {
        "uuid": uuid5(*base, "result"),
        "title": f"What ran where, {period['from']} to {period['until']}",
        "description": _text("Checked: " + " ".join(report["checked"])),
        "start": period["from"],
        "end": period["until"],
        "reviewed-controls": {
            # One of include-all and include-controls has to be there, and there is no plan that would have controls.
            "control-selections": [
                {
                    "description": "There is no plan, so this selects no control: observations say what the log shows.",
                    "include-all": {},
                }
            ]
        },
        "remarks": _text("Not proved: " + " ".join([*report["notProved"], *report["unobserved"]])),
    }
    if observations:
        result["observations"] = observations
    return {
        "assessment-results": {
            "uuid": uuid5(*base),
            "metadata": {
                "title": "Daulat evidence report",
                "last-modified": report["made"],
                "version": report["made"],
                "oscal-version": VERSION,
            },
            "import-ap": {"href": f"#{resource}"},
            "results": [result],
            "back-matter": {
                "resources": [
                    {"uuid": resource, "title": "Assessment plan", "description": "There is no assessment plan."},
                ]
            },
        }
    }


def _observations(report: Mapping[str, Any], base: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for section in report["sections"]:
        for claim in section["claims"]:
            entries = claim["entries"]
            yield {
                "uuid": uuid5(*base, section["name"], str(entries["says"])),
                "title": f"{section['title']}: {claim['kind']} {entries['says']}",
                "description": _text(json.dumps(claim, ensure_ascii=False, sort_keys=True)),
                "props": [
                    {"name": "evidence-tier", "ns": _NAMESPACE, "value": tier} for tier in sorted(claim["facts"])
                ],
                "methods": ["EXAMINE"],
                "relevant-evidence": [
                    {"href": proof_path(number), "description": f"Entry {number} of the log, with its proof."}
                    for number in named(claim)
                ],
                "collected": claim["recorded"],
            }


def named(claim: Mapping[str, Any]) -> list[int]:
    """Return the entries that a claim names."""
    found: list[int] = []
    for value in claim["entries"].values():
        found += value if isinstance(value, list) else [value]
    return list(dict.fromkeys(found))


def _text(text: str) -> str:
    """Return text as OSCAL's Markdown says it, on one line."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    return _MARKUP.sub(r"\\\1", line)
