"""What a report says of a log."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from pydantic import JsonValue

from daulat.evidence.book import Outgoing
from daulat.evidence.records import Gap, GapOpened
from daulat.evidence.report.bundle import encoded
from daulat.evidence.report.collect import NoSuchPolicy
from daulat.evidence.report.document import UNWITNESSED
from daulat.evidence.report.sections import NO_AUDIT
from daulat.ledger.trust import Trust
from dev.evidence.example import SCOPE
from dev.evidence.objects import POLICY, node, policy, run, zone
from dev.evidence.site import LOG, Memory, Site
from dev.evidence.story import log

from .reports import checked, files, report, section, site


def base(made: Site, policies: int = 1) -> None:
    made.holds(
        zone("cyberjaya-1", "MY", "Example Sdn Bhd", "MY"), node("npu-host-1", "cyberjaya-1"), node("npu-host-2", "")
    )
    made.holds(*(policy("confidential", POLICY, n + 1, "True/Proved") for n in range(policies)))


def test_a_run_says_what_is_observed_and_what_is_declared_and_which_entries_prove_it() -> None:
    made, found = report(log())
    claim = section(made, "runs")["claims"][0]
    assert claim["facts"]["observed"] | {"pod": "deepseek-r1-0", "node": "npu-host-1"} == claim["facts"]["observed"]
    declared = {"country": "MY", "zone": "cyberjaya-1", "operator": "Example Sdn Bhd", "dataClass": "confidential"}
    assert claim["facts"]["declared"] | declared == claim["facts"]["declared"]
    assert (claim["since"], claim["until"]) == ("2027-01-15T08:59:30Z", "2027-01-15T23:40:02Z")
    kinds = {role: found.proved.read(n).kind for role, n in claim["entries"].items() if isinstance(n, int)}
    assert kinds == {
        "says": "RunStarted",
        "ended": "RunEnded",
        "node": "NodeRecorded",
        "zone": "ZoneRecorded",
        "model": "ModelRecorded",
    }
    assert [found.proved.read(n).kind for n in claim["entries"]["policies"]] == ["PolicyRecorded"]


def test_runs_outside_and_runs_without_a_zone_are_apart_from_those_where_a_policy_allows() -> None:
    made, _ = report(log())
    assert [(c["facts"]["observed"]["pod"], c["place"]) for c in section(made, "runs")["claims"]] == [
        ("deepseek-r1-0", "allowed"),
        ("trial-0", "outside"),
        ("trial-1", "undecided"),
        ("deepseek-r1-1", "allowed"),
    ]
    (outside,) = section(made, "runs")["claims"][1]["verdicts"]
    assert outside["because"] == "country SG is not among MY"
    (unknown,) = section(made, "runs")["claims"][2]["verdicts"]
    assert unknown["because"] == "country isn't known: no zone selects the node"
    assert [(row["country"], row["place"], row["runs"]) for row in made["places"]] == [
        ("SG", "outside", 1),
        ("", "undecided", 1),
        ("MY", "allowed", 2),
    ]


def test_a_policy_that_was_tried_out_first_is_shown_as_not_enforced_until_it_was() -> None:
    made, _ = report(log())
    first, second = section(made, "rules")["claims"]
    assert (first["enforced"], first["rules"]["action"], first["until"]) == (
        "False/NotEnforcing",
        "Warn",
        second["recorded"],
    )
    assert (second["enforced"], second["rules"]["action"], "until" in second) == ("True/Proved", "Enforce", False)
    assert second["rules"]["zones.countries"] == ["MY"]


def test_what_held_before_the_period_counts_and_what_was_over_does_not() -> None:
    made, _ = report(log(), replace(SCOPE, since="2027-01-16T12:00:00.000Z"))
    (rules,) = section(made, "rules")["claims"]
    assert rules["facts"]["declared"]["generation"] == 2
    assert [c["facts"]["observed"]["pod"] for c in section(made, "runs")["claims"]] == ["deepseek-r1-1"]
    boots = {c["facts"]["observed"]["name"]: c["entries"]["says"] for c in section(made, "nodes")["claims"]}
    assert len(boots) == section(made, "nodes")["total"] == 5


def test_without_an_audit_log_refusals_and_sessions_are_not_recorded_rather_than_none() -> None:
    made, _ = report(site(base))
    notes = {s["name"]: s.get("note") for s in made["sections"]}
    for name in ("refusals", "sessions", "impersonations", "changes"):
        assert notes[name] == NO_AUDIT
    assert notes["evictions"] == "none is recorded in this period"
    notes = {s["name"]: s.get("note") for s in report(log())[0]["sections"]}
    assert (notes["sessions"], notes["impersonations"]) == (None, "none is recorded in this period")


def test_time_outside_of_the_log_is_said_to_be_unobserved() -> None:
    made, _ = report(site(base))
    assert made["unobserved"] == [
        "Before 2027-01-15T08:00:00.000Z nothing was recorded.",
        "After 2027-01-15T08:00:00.000Z nothing is recorded yet.",
    ]
    empty, _ = report(site(lambda _: None))
    assert empty["unobserved"] == ["The log is empty."]
    assert checked(files(site(lambda _: None))).problems == []


def test_a_gap_that_is_still_open_is_listed_and_one_that_was_closed_is_listed_once() -> None:
    def record(made: Site) -> None:
        made.happened(GapOpened(of="Cluster", since="2027-01-15T08:00:01.000Z"))
        made.happened(Gap(of="Cluster", since="2027-01-15T08:00:01.000Z", until="2027-01-15T08:00:09.000Z"))
        made.happened(GapOpened(of="Operator", since="2027-01-15T08:00:02.000Z"))

    made, _ = report(site(record))
    gaps = [(c["kind"], c["facts"]["observed"]["of"]) for c in section(made, "gaps")["claims"]]
    assert gaps == [("Gap", "Cluster"), ("GapOpened", "Operator")]


def test_facts_that_are_missing_or_changed_leave_a_run_undecided() -> None:
    for change in ("missing", "changed"):
        store = log()
        for path in [p for p in store.files if p.startswith("facts/")]:
            if change == "missing":
                del store.files[path]
            else:
                store.files[path] = b'{"zones":{"countries":["SG"]}}'
        made, _ = report(store)
        assert {c["place"] for c in section(made, "runs")["claims"]} == {"undecided"}
        assert all("rules" not in c for c in section(made, "rules")["claims"])
        assert {r["known"] for rule in made["preset"]["rules"] for r in rule["recorded"]} == {False}
        assert checked(files(store)).problems == []


def test_without_witnesses_the_report_says_what_that_leaves_open() -> None:
    assert UNWITNESSED not in report(log())[0]["notProved"]
    made, _ = report(log(), trust=Trust((LOG.verifier(),)))
    assert UNWITNESSED in made["notProved"]
    assert not any("witnesses named here" in sentence for sentence in made["checked"])


def test_a_report_of_one_policy_has_only_what_it_governed() -> None:
    def record(made: Site) -> None:
        base(made)
        made.holds(policy("other", POLICY, 1, "True/Proved"))
        made.holds(run("a", "npu-host-1", "cyberjaya-1", "MY", "2027-01-15T08:00:00Z"))
        said = {"by": "system:node:x", "at": "2027-01-15T08:00:00Z", "batch": "b", "admission": "x"}
        made.append(
            Outgoing("AuditBatch", {}),
            *(Outgoing("Refused", {**said, "policy": p}) for p in ("other", "confidential", "")),
        )

    store = site(record)
    made, _ = report(store, replace(SCOPE, policy="other"))
    assert [c["facts"]["declared"]["name"] for c in section(made, "rules")["claims"]] == ["other"]
    assert (section(made, "runs")["total"], section(made, "refusals")["total"]) == (0, 2)
    assert section(report(store, replace(SCOPE, policy="confidential"))[0], "runs")["total"] == 1
    with pytest.raises(NoSuchPolicy):
        report(store, replace(SCOPE, policy="none"))


def test_a_zone_is_attested_only_where_the_run_says_so_of_every_policy_that_demands_it() -> None:
    data: dict[str, JsonValue] = {"uid": "u", "pod": "p", "zone": "z", "attestationEntries": [0]}
    evidences: list[dict[str, JsonValue]] = [{"a": "attested"}, {"a": "attested", "b": "observed"}, {}]

    def record(made: Site) -> None:
        made.append(Outgoing("AttestationRecorded", {"uid": "a", "country": "MY"}))
        for number, evidence in enumerate(evidences):
            made.append(Outgoing("RunStarted", {**data, "uid": f"u{number}", "evidence": evidence}))
        made.append(Outgoing("RunStarted", {"uid": "u9", "zone": "z", "evidence": {"a": "attested"}}))

    made, _ = report(site(record))
    runs = section(made, "runs")["claims"]
    assert [[tier for tier, said in c["facts"].items() if "zone" in said] for c in runs] == [
        ["attested"],
        ["declared"],
        ["declared"],
        ["declared"],
    ]
    assert [c["entries"].get("attestations") for c in runs] == [[0], [0], [0], None]
    # What a statement says counts for nothing by itself.
    (statement,) = section(made, "attestations")["claims"]
    assert list(statement["facts"]) == ["declared"]


def test_chips_and_inventories_are_listed_as_they_stood() -> None:
    def record(made: Site) -> None:
        for on in ("a", "b"):
            made.append(Outgoing("ChipRecorded", {"uid": "i/c", "name": "c", "node": on, "permit": "P1", "zone": "z"}))

    made, _ = report(site(record))
    first, second = section(made, "chips")["claims"]
    assert (first["entries"], second["entries"]) == ({"says": 0, "ended": 1}, {"says": 1})
    assert first["facts"] == {
        "observed": {"uid": "i/c", "name": "c", "node": "a"},
        "declared": {"permit": "P1", "zone": "z"},
    }


def test_a_presets_rules_stand_beside_what_policies_set() -> None:
    made, _ = report(log())
    rules = {(r["field"], *r["classes"]): r for r in made["preset"]["rules"]}
    countries = rules[("zones.countries", "confidential")]
    assert [r["value"] for r in countries["recorded"]] == [["MY"], ["MY"]]
    assert countries["source"].startswith("Digital Policy Alert")
    assert any("value" not in r for rule in made["preset"]["rules"] for r in rule["recorded"])
    assert "complian" not in encoded(made["preset"]).decode().lower()


@pytest.fixture(scope="module")
def many() -> Memory:
    def record(made: Site) -> None:
        base(made, policies=20)
        for start in range(0, 10_000, 2_000):
            pods = range(start, start + 2_000)
            on = [("npu-host-2", "", "") if n % 1_000 == 7 else ("npu-host-1", "cyberjaya-1", "MY") for n in pods]
            made.holds(*(run(f"pod-{n}", *where, "2027-01-15T08:00:00Z") for n, where in zip(pods, on, strict=True)))

    return site(record)


def test_ten_thousand_runs_make_a_report_of_bounded_size_in_bounded_time(many: Memory) -> None:
    began = time.process_time()
    there = files(many, replace(SCOPE, most=200))
    took = time.process_time() - began
    made, _ = report(many, replace(SCOPE, most=200))
    assert (section(made, "runs")["total"], section(made, "runs")["listed"]) == (10_000, 200)
    assert [(row["place"], row["runs"]) for row in made["places"]] == [("undecided", 10), ("allowed", 9_990)]
    assert sum(c["place"] == "undecided" for c in section(made, "runs")["claims"]) == 10
    assert took < 20
    assert sum(map(len, there.values())) < 4 << 20
    assert len(there) < 300
    done = checked(there)
    assert done.problems == []
    assert "9800 of 10000 runs aren't listed" in " ".join(done.notes)
