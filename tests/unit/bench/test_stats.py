"""Percentiles of what was measured."""

from __future__ import annotations

import pytest

from bench.stats import added, percentile


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)])
def test_a_percentile_is_the_value_that_this_share_lies_below(share: float, value: float) -> None:
    assert percentile(share)(list(range(100, 0, -1))) == value


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile(0.99)([7.0]) == 7.0


def test_what_is_added_has_an_interval_around_it() -> None:
    found = added([3.0, 3.5, 4.0] * 10, [1.0, 1.5, 2.0] * 10, percentile(0.5))
    assert found.value == 2.0
    assert found.low <= found.value <= found.high
