"""When statements begin and end, as changes of the NodeAttestations that carry them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.api.authorities import posix
from daulat.facts.clock import Clock
from daulat.facts.declared import parse_declared
from daulat.facts.store import Store
from tests.unit.attestation.statements import BEGINS, ENDS, NOW, attestation

FIRST, LAST = posix(BEGINS), posix(ENDS)


def declared(raw: dict[str, Any]) -> object:
    return parse_declared("NodeAttestation", raw)


def clock(now: float = NOW) -> Clock:
    """Return a clock that follows two statements, of which the second ends later."""
    found = Clock()
    found.follow("a", declared(attestation()))
    found.follow("b", declared(attestation(notAfter="2028-01-01T00:00:00Z")))
    found.advance(now)
    return found


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        (0.0, FIRST - 1, []),
        (0.0, FIRST, ["a", "b"]),
        (FIRST, LAST - 1, []),
        (NOW, LAST, ["a"]),
        (NOW, posix("2028-01-01T00:00:00Z"), ["a", "b"]),
        (LAST, LAST - 1, ["a"]),
        (LAST, 0.0, ["a", "b"]),
        (NOW, NOW, []),
    ],
)
def test_a_move_of_the_time_names_what_begins_or_ends_by_it(before: float, after: float, names: list[str]) -> None:
    found = clock(before)
    assert found.advance(after) == names
    assert found.now == after


def test_what_is_gone_or_cant_be_read_is_followed_no_more() -> None:
    found = clock()
    found.follow("a", None)
    broken = attestation()
    broken["spec"]["envelope"]["payload"] = "QUJD"
    found.follow("b", declared(broken))
    found.follow("never-there", None)
    assert found.advance(1e12) == []


def test_a_replaced_statement_counts_with_its_own_times() -> None:
    found = clock()
    found.follow("a", declared(attestation(notAfter="2028-01-01T00:00:00Z")))
    assert found.advance(LAST) == []


MOMENTS = st.sampled_from([0.0, FIRST - 1, FIRST, NOW, LAST - 1, LAST, 1e12])


@given(st.lists(MOMENTS, max_size=6))
def test_a_statement_is_named_exactly_where_its_validity_may_differ(moments: list[float]) -> None:
    found, before = clock(0.0), 0.0
    for moment in moments:
        changed = (FIRST <= before < LAST) != (FIRST <= moment < LAST) or (before < FIRST) != (moment < FIRST)
        assert ("a" in found.advance(moment)) == changed
        before = moment


def test_the_store_tells_only_of_what_it_has() -> None:
    store = Store("daulat-system")
    store.advance(NOW)
    store.apply("NodeAttestation", attestation())
    assert [change.ref.name for change in store.advance(LAST)] == ["h1"]
    store.delete("NodeAttestation", attestation())
    assert store.advance(NOW) == []
    assert store.snapshot().moment == NOW
