"""A report is bounded, counts everything, and doesn't depend on the order in which results come."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.kube.reported import REPORT_APIS
from daulat.reports.document import LEFT_OUT, report, same
from daulat.reports.result import MAX_MESSAGE, ORDER, Outcome, Result, Subject
from daulat.reports.tally import LARGEST, LIMIT, Tally

OPEN, OLD = REPORT_APIS


def result(n: int, outcome: Outcome = Outcome.FAIL, rule: str = "USE-04", message: str = "") -> Result:
    return Result(
        outcome, "confidential", rule, Subject("v1", "Pod", "treasury", f"pod-{n}", f"uid-{n}"), message or f"{rule} no"
    )


RESULTS = st.builds(
    result,
    st.integers(0, 40),
    st.sampled_from([o for o in ORDER if o is not Outcome.PASS]),
    st.sampled_from(["USE-01", "USE-04", "SUP-01"]),
)


def tally(results: list[Result], limit: int = LIMIT) -> Tally:
    found = Tally(limit)
    for each in results:
        found.add(each)
    return found


@given(st.lists(RESULTS, unique=True), st.integers(1, 8), st.randoms())
def test_a_report_is_the_same_in_whatever_order_results_come(results: list[Result], limit: int, random: object) -> None:
    shuffled = list(results)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis' own Random
    assert report(OPEN.of_namespace, tally(results, limit), "n") == report(
        OPEN.of_namespace, tally(shuffled, limit), "n"
    )


@given(st.lists(RESULTS, unique=True), st.integers(1, 8))
def test_failures_come_first_and_what_isnt_listed_is_counted(results: list[Result], limit: int) -> None:
    found = tally(results, limit)
    listed = found.listed
    assert len(listed) == min(limit, len(results))
    assert found.left_out == len(results) - len(listed)
    assert found.counts == Counter(r.outcome for r in results)
    ranks = [ORDER.index(r.outcome) for r in listed]
    assert ranks == sorted(ranks)
    assert ranks == sorted(ORDER.index(r.outcome) for r in results)[:limit]
    assert set(listed) <= set(results)


def test_every_rule_is_listed_before_a_rules_second_result() -> None:
    found = tally([*(result(n, rule="EXP-05") for n in range(50)), result(0, rule="USE-04")], limit=2)
    assert [r.rule for r in found.listed] == ["EXP-05", "USE-04"]


def test_ten_thousand_violations_make_one_object_that_etcd_takes() -> None:
    found = tally([result(n, message="USE-04 " + "x" * 5000) for n in range(10_000)])
    body = report(OPEN.of_namespace, found, "treasury")
    assert len(body["results"]) == LIMIT
    assert body["summary"] == {"fail": 10_000, "error": 0, "warn": 0, "skip": 0, "pass": 0}
    assert body["metadata"]["annotations"] == {LEFT_OUT: str(10_000 - LIMIT)}
    assert len(json.dumps(body)) < 600 * 1024
    assert all(len(r["message"]) == MAX_MESSAGE for r in body["results"])
    # What is kept in memory is bounded too.
    assert sum(map(len, found._groups.values())) <= 2 * LIMIT


@pytest.mark.parametrize("quoted", ["<", "&", "\x01", "\u2028", "\U0001f600", "x"])
def test_a_report_stays_small_enough_for_etcd_whatever_messages_quote(quoted: str) -> None:
    found = tally([result(n, message="USE-04 " + quoted * 5000) for n in range(2000)], limit=1000)
    body = report(OPEN.of_namespace, found, "treasury")
    # As Go writes JSON.
    size = len(json.dumps(body, ensure_ascii=False).encode()) + 5 * json.dumps(body).count("<")
    size += 5 * json.dumps(body).count("&") + 3 * json.dumps(body).count("\\u2028")
    assert size < LARGEST + 8192
    assert body["metadata"]["annotations"] == {LEFT_OUT: str(2000 - len(body["results"]))}
    assert len(body["results"]) > 80


def test_long_messages_arent_kept_in_memory() -> None:
    found = tally([result(n, message="USE-04 " + "x" * 100_000) for n in range(20)])
    assert all(len(r.message) <= MAX_MESSAGE for group in found._groups.values() for r in group)


def test_a_report_that_says_the_same_needs_no_write_whatever_others_added() -> None:
    body = report(OPEN.of_namespace, tally([result(1)]), "treasury", "uid")
    live = {**body, "metadata": {**body["metadata"], "uid": "u", "managedFields": []}}
    live["metadata"]["labels"] = {**body["metadata"]["labels"], "team": "x"}
    assert same(body, live)
    assert not same(body, None)
    assert not same(body, {**live, "results": []})
    assert not same(body, {**live, "summary": {**body["summary"], "fail": 0}})
    assert same(report(OPEN.of_cluster, tally([])), {**report(OPEN.of_cluster, tally([])), "results": None})


def test_both_apis_get_the_same_fields() -> None:
    found = [report(api.of_namespace, tally([result(1)]), "treasury") for api in REPORT_APIS]
    assert [(b.pop("apiVersion"), b.pop("kind")) for b in found] == [
        ("openreports.io/v1alpha1", "Report"),
        ("wgpolicyk8s.io/v1alpha2", "PolicyReport"),
    ]
    assert found[0] == found[1]


def test_credentials_in_a_url_arent_repeated() -> None:
    told = result(1, message='USE-07 spec.env["E"]: "https://me:s3cret@hub.example.org/x" was set').manifest()
    assert told["message"] == 'USE-07 spec.env["E"]: "https://***@hub.example.org/x" was set'
    told = result(
        1, message='USE-07 spec.env["E"]: "https://me:s3@cret@hub.example.org/x?mail=me@example.org"'
    ).manifest()
    assert told["message"] == 'USE-07 spec.env["E"]: "https://***@hub.example.org/x?mail=me@example.org"'


def test_a_password_that_the_end_of_a_message_cuts_isnt_repeated() -> None:
    url = "https://me:" + "s3cret" * 200 + "@hub.example.org"
    assert "s3cret" not in str(tally([result(1, message=f"USE-07 {url} was set")]).listed[0].manifest())
