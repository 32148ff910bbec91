"""Medians, percentiles and bootstrap intervals of what was measured in turns."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RESAMPLES = 1000
SEED = 20_000

Statistic = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, by bootstrap."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """Write the value and the interval in the same number format."""
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def percentile(share: float) -> Statistic:
    """Return the function that gives the value below which this share of the values lies."""

    def of(values: Sequence[float]) -> float:
        ordered = sorted(values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return of


def added(measured: Sequence[float], base: Sequence[float], statistic: Statistic) -> Estimate:
    """Return by how much the statistic is larger than the base's. Values of one turn stand at the same index."""
    return _bootstrap(measured, base, lambda m, b: statistic(m) - statistic(b))


def ratio(measured: Sequence[float], base: Sequence[float]) -> Estimate:
    """Return the ratio of the medians. Values of one turn stand at the same index."""
    return _bootstrap(measured, base, lambda m, b: statistics.median(m) / statistics.median(b))


def _bootstrap(
    measured: Sequence[float],
    base: Sequence[float],
    compare: Callable[[Sequence[float], Sequence[float]], float],
) -> Estimate:
    # Turns are drawn, not single values: what disturbed a turn disturbed both of its values.
    draw = random.Random(SEED)  # noqa: S311 - the same figures for the same measurements
    turns = range(len(base))
    found = []
    for _ in range(RESAMPLES):
        chosen = draw.choices(turns, k=len(turns))
        found.append(compare([measured[n] for n in chosen], [base[n] for n in chosen]))
    found.sort()
    return Estimate(compare(measured, base), found[int(0.025 * RESAMPLES)], found[int(0.975 * RESAMPLES) - 1])
