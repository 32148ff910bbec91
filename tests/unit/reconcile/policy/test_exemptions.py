"""An exemption lasts no longer than its policy allows, and says so once before it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from daulat.api.names import AUTHORITY_LABEL
from daulat.facts.declared import Declared
from daulat.kube.ref import Ref
from daulat.reconcile.policy.compiled import exemptions_now
from daulat.reconcile.policy.exemptions import reconcile_exemption
from daulat.reconcile.result import ApplyStatus, Result
from tests.unit.world import World, exemption, policy

REF = Ref("SovereigntyExemption", "", "relax")
DAY = 86400.0
CREATED = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
AT_LAST = "2026-12-31T00:00:00Z"


def world(longest: str | None = None) -> World:
    made = exemption(name=REF.name, expiresAt=AT_LAST)
    made["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    asked = policy(exemptions={"maxDuration": longest}) if longest else policy()
    return World(exemptions=[made], policies=[asked])


def status(result: Result) -> dict[str, dict[str, Any]]:
    (found,) = [e.status for e in result.effects if isinstance(e, ApplyStatus)]
    return {c["type"]: c for c in found["conditions"]}


def holds(made: World, now: float) -> bool:
    snapshot = made.snapshot()
    asked = snapshot.policies["confidential"]
    assert isinstance(asked, Declared)
    return bool(exemptions_now(asked, snapshot, now))


@pytest.mark.parametrize(
    ("longest", "day", "expected"),
    [(None, 300, True), ("720h", 29, True), ("720h", 31, False), ("9000h", 363, True), ("9000h", 366, False)],
)
def test_an_older_exemption_counts_no_longer_than_its_policy_allows(
    longest: str | None, day: int, expected: bool
) -> None:
    made, now = world(longest), CREATED + day * DAY
    assert holds(made, now) is expected
    assert status(reconcile_exemption(REF, made.snapshot(), now))["Active"]["status"] == str(expected)


def test_an_exemption_that_the_policy_cuts_says_by_what_and_until_when() -> None:
    active = status(reconcile_exemption(REF, world("720h").snapshot(), CREATED + DAY))["Active"]
    assert "until 2026-01-31T00:00:00Z, as policy confidential has it (exemptions.maxDuration)" in active["message"]
    assert "not at 2026-12-31T00:00:00Z" in active["message"]


def test_the_policy_comes_back_when_the_time_that_it_allows_is_over() -> None:
    made = world("720h")
    again = reconcile_exemption(REF, made.snapshot(), CREATED + 30 * DAY - 5).requeue_after
    assert again is not None
    assert 5 <= again < 6


def test_an_exemption_that_ends_within_a_week_warns_once() -> None:
    made = world()
    end = datetime(2026, 12, 31, tzinfo=UTC).timestamp()
    early = reconcile_exemption(REF, made.snapshot(), end - 8 * DAY)
    assert status(early)["ExpiringSoon"]["status"] == "False"
    assert [e.reason for e in early.events if e.reason in ("EndsSoon", "EndsLater")] == []
    (told,) = [e.status for e in early.effects if isinstance(e, ApplyStatus)]
    made.exemptions[0]["status"] = told
    late = reconcile_exemption(REF, made.snapshot(), end - 6 * DAY)
    assert [(e.type, e.reason) for e in late.events] == [("Warning", "EndsSoon")]
    (told,) = [e.status for e in late.effects if isinstance(e, ApplyStatus)]
    made.exemptions[0]["status"] = told
    later = reconcile_exemption(REF, made.snapshot(), end - 5 * DAY)
    assert later.effects == ()


def test_a_short_exemption_warns_in_the_last_fifth_of_its_time() -> None:
    made = world("240h")
    assert status(reconcile_exemption(REF, made.snapshot(), CREATED + 7 * DAY))["ExpiringSoon"]["status"] == "False"
    assert status(reconcile_exemption(REF, made.snapshot(), CREATED + 9 * DAY))["ExpiringSoon"]["status"] == "True"


@pytest.mark.parametrize(
    ("of_policy", "of_exemption", "expected"),
    [
        ("", "", "InForce"),
        ("", "ndo", "InForce"),
        ("ndo", "ndo", "InForce"),
        ("ndo", "", "NotOfAuthority"),
        ("ndo", "another", "NotOfAuthority"),
    ],
)
def test_an_exemption_from_an_authority_s_policy_counts_only_with_its_label(
    of_policy: str, of_exemption: str, expected: str
) -> None:
    there = world()
    for (raw,), authority in ((there.policies, of_policy), (there.exemptions, of_exemption)):
        raw["metadata"]["labels"] = {AUTHORITY_LABEL: authority} if authority else {}
    snapshot = there.snapshot()
    now = CREATED + DAY
    assert status(reconcile_exemption(REF, snapshot, now))["Active"]["reason"] == expected
    (asked,) = snapshot.known_policies.values()
    assert bool(exemptions_now(asked, snapshot, now)) == (expected == "InForce")
