"""What the check of a bundle finds, without the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.evidence.report.bundle import OSCAL, PAGE, REPORT, encoded
from daulat.evidence.report.oscal import assessment_results
from daulat.evidence.report.page import page
from daulat.evidence.report.proofs import proof_path
from daulat.ledger.keys import KeyType, SignerKey
from daulat.ledger.trust import Trust
from dev.evidence.example import SCOPE
from dev.evidence.site import ORIGIN, SIGNER

from .reports import TRUST, checked, files, section

WHOLE = files()
KEY = SIGNER.public_key()


def rewritten(change: Callable[[dict[str, Any]], object]) -> dict[str, bytes]:
    """Return the bundle of somebody who changes the report and all that is made of it, and can't sign."""
    report = json.loads(WHOLE[REPORT])
    change(report)
    made = {REPORT: encoded(report), PAGE: page(report).encode(), OSCAL: encoded(assessment_results(report))}
    return {**WHOLE, **made}


def test_a_bundle_holds() -> None:
    done = checked(WHOLE, KEY)
    assert (done.problems, done.signed) == ([], True)
    report = json.loads(WHOLE[REPORT])
    assert done.claims == sum(len(s["claims"]) for s in report["sections"]) > 20
    assert done.proofs == sum(path.startswith("proofs/") for path in WHOLE) > 20


def test_a_report_that_is_made_again_is_the_same() -> None:
    assert files() == WHOLE


@pytest.mark.parametrize("path", sorted(WHOLE))
def test_no_file_can_be_changed_or_left_out(path: str) -> None:
    cut = dict(WHOLE)
    del cut[path]
    assert checked(cut, KEY).problems
    assert checked({**WHOLE, path: WHOLE[path][:-2] + b"x\n"}, KEY).problems


def test_no_file_can_be_added() -> None:
    assert checked({**WHOLE, "proofs/README": b""}, KEY).problems == ["proofs/README: isn't signed"]


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a country": lambda r: section(r, "runs")["claims"][1]["facts"]["declared"].update(country="MY"),
    "a verdict": lambda r: section(r, "runs")["claims"][1].update(place="allowed"),
    "when a run ended": lambda r: section(r, "runs")["claims"][0].update(until="2027-01-15T09:00:00Z"),
    "that a run ended, by another's end": lambda r: section(r, "runs")["claims"][3]["entries"].update(
        ended=section(r, "runs")["claims"][0]["entries"]["ended"]
    ),
    "a tier": lambda r: section(r, "zones")["claims"][0].update(
        facts={"attested": section(r, "zones")["claims"][0]["facts"]["declared"]}
    ),
    "an entry that isn't proved": lambda r: section(r, "runs")["claims"][0]["entries"].update(says=2),
    "a claim in another section": lambda r: section(r, "keys")["claims"].append(section(r, "gaps")["claims"][0]),
    "the table of places": lambda r: r["places"].pop(0),
    "a run twice": lambda r: section(r, "runs")["claims"].append(section(r, "runs")["claims"][0]),
    "what is not proved": lambda r: r["notProved"].pop(),
    "what was not observed": lambda r: r["unobserved"].clear(),
    "that there was no audit log": lambda r: next(s for s in r["sections"] if s["name"] == "impersonations").pop(
        "note"
    ),
    "a rule of a policy": lambda r: section(r, "rules")["claims"][0]["rules"].update({"zones.countries": ["SG"]}),
    "a preset's rule": lambda r: r["preset"]["rules"][0].update(rule="nothing"),
    "the title of a section": lambda r: r["sections"][0].update(title="Rules that comply"),
    "the checkpoint": lambda r: r["log"].update(size=38),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_entries_do_not_say_is_found_without_a_signature_too(change: str) -> None:
    assert checked(rewritten(CHANGES[change])).problems


def test_a_page_that_is_not_what_the_report_says_is_found_without_a_signature_too() -> None:
    for path in (PAGE, OSCAL):
        assert checked({**WHOLE, path: WHOLE[path].replace(b"SG", b"MY")}).problems == [
            f"{path}: isn't what {REPORT} says"
        ]


def test_another_logs_key_and_other_witnesses_are_not_trusted() -> None:
    other = SignerKey(ORIGIN, KeyType.ED25519, b"\x07" * 32).verifier()
    assert checked(WHOLE, trust=Trust((other,))).problems
    witness = SignerKey("witness.example.org", KeyType.COSIGNATURE, b"\x08" * 32).verifier()
    assert checked(WHOLE, trust=Trust(TRUST.keys, (witness,), 1)).problems
    assert "weren't checked: no --witness" in " ".join(checked(WHOLE, trust=Trust(TRUST.keys)).notes)


def test_a_proof_of_another_entry_does_not_stand_for_one() -> None:
    numbers = sorted(c["entries"]["says"] for c in section(json.loads(WHOLE[REPORT]), "runs")["claims"])
    swapped = {**WHOLE, proof_path(numbers[0]): WHOLE[proof_path(numbers[1])]}
    assert (
        f"{proof_path(numbers[0])}: it proves another entry, or under another checkpoint" in checked(swapped).problems
    )


def test_a_report_of_another_release_is_checked_by_its_claims_alone() -> None:
    def older(report: dict[str, Any]) -> None:
        report["release"] = "0.0.9"

    done = checked(rewritten(older))
    assert done.problems == []
    assert "by Daulat 0.0.9" in " ".join(done.notes)


def test_a_report_of_one_policy_holds_as_well() -> None:
    assert checked(files(scope=replace(SCOPE, policy="confidential", preset="")), KEY).problems == []


PATHS = sorted({p for p in WHOLE if not p.startswith("proofs/")} | {next(p for p in WHOLE if p.startswith("proofs/"))})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(PATHS), st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
@settings(max_examples=40, deadline=None)
def test_whatever_a_file_holds_is_a_problem_and_never_an_error(path: str, data: bytes) -> None:
    assert checked({**WHOLE, path: data}, KEY).problems


UNPROVED = {"made", "release", "period", "total", "keys", "witnesses"}
"""What no entry proves: the signature of who made the report binds it, and without one a note says so."""


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_a_field_of_the_report_holds_is_judged_without_an_error(data: st.DataObject) -> None:
    report = json.loads(WHOLE[REPORT])
    at: Any = report
    path = []
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        inner = at[key]
        path.append(key)
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        at = inner
    at[key] = data.draw(JSON)
    made = encoded(report)
    assert checked({**WHOLE, REPORT: made}, KEY).problems or made == WHOLE[REPORT]
    # Without the signature, the page's own bytes still differ from what the report says.
    changed = {**WHOLE, REPORT: made}
    with suppress(Exception):
        changed |= {PAGE: page(report).encode(), OSCAL: encoded(assessment_results(report))}
    assert checked(changed).problems or made == WHOLE[REPORT] or UNPROVED & set(path)
