"""The report as OSCAL, validated by compliance-trestle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trestle.oscal.assessment_results import AssessmentResults

from daulat.evidence.report.bundle import OSCAL, encoded
from daulat.evidence.report.oscal import assessment_results
from dev.evidence.example import SCOPE

from .reports import files, report, site
from .test_page import HOSTILE, hostile


def validated(folder: Path, document: bytes) -> Any:
    path = folder / "assessment-results.json"
    path.write_bytes(document)
    return AssessmentResults.oscal_read(path)


def test_trestle_reads_it(tmp_path: Path) -> None:
    there = files()
    found = validated(tmp_path, there[OSCAL])
    (result,) = found.results
    assert len(result.observations) == sum(len(s["claims"]) for s in json.loads(there["report.json"])["sections"])
    assert result.findings is None
    assert SCOPE.preset


def test_trestle_reads_it_whatever_the_log_has(tmp_path: Path) -> None:
    for text in HOSTILE:
        validated(tmp_path, encoded(assessment_results(hostile(text))))
    validated(tmp_path, encoded(assessment_results(report(site(lambda _: None))[0])))


def test_every_observation_leads_to_proofs_that_are_in_the_bundle() -> None:
    there = files()
    (result,) = json.loads(there[OSCAL])["assessment-results"]["results"]
    for observation in result["observations"]:
        assert {tier["value"] for tier in observation["props"]} <= {"declared", "observed", "attested"}
        assert {e["href"] for e in observation["relevant-evidence"]} <= there.keys()
    uuids = [o["uuid"] for o in result["observations"]]
    assert len(uuids) == len(set(uuids))
