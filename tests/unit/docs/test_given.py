"""Which pages one process follows after each other on one cluster (tests/docs/given.py)."""

from __future__ import annotations

from tests.docs import given


def test_the_pages_that_make_test_follows_share_a_cluster() -> None:
    assert len({given.shared(name) for name in given.FIRST}) == 1


def test_pages_that_are_given_the_same_share_a_cluster() -> None:
    runbooks = [
        f"docs/how-to/runbooks/{name}" for name in ("DaulatFactsStale", "DaulatZoneConflict", "DaulatModelNotReady")
    ]
    assert len({given.shared(name) for name in runbooks}) == 1


def test_other_pages_may_be_followed_by_any_process() -> None:
    names = (
        "docs/how-to/evidence",
        "docs/how-to/ledger",
        "docs/how-to/check",
        "docs/how-to/runbooks/DaulatFactsStale",
        "README",
    )
    assert len({given.shared(name) for name in names}) == len(names)
