"""Counts every result and keeps the first few: a namespace with 10,000 violations takes no more memory than one with 300."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from operator import attrgetter

from .result import ORDER, Outcome, Result

LIMIT = 300
"""Results that a report lists."""
LARGEST = 1 << 20
"""Bytes of the results that a report lists, as etcd has them: it takes objects up to 1.5 MiB. 300 results in plain letters are
under 600 KiB, but users choose what messages quote, and a character can take six bytes."""
_KEY = attrgetter("key")
_Group = tuple[Outcome, str, str]


@dataclass
class Tally:
    """The results of one report. What it keeps doesn't depend on the order in which they come."""

    limit: int = LIMIT
    counts: Counter[Outcome] = field(default_factory=Counter)
    _groups: dict[_Group, set[Result]] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Count a result, and keep it while it may be listed."""
        self.counts[result.outcome] += 1
        group = self._groups.setdefault((result.outcome, result.policy, result.rule), set())
        group.add(result.bounded())
        if len(group) > 2 * self.limit:
            group.difference_update(sorted(group, key=_KEY)[self.limit :])

    def passed(self) -> None:
        """Count an object that breaks nothing of a policy."""
        self.counts[Outcome.PASS] += 1

    @property
    def listed(self) -> list[Result]:
        """What the report lists: failures first, and of each outcome all rules before a rule's second result."""
        found: list[Result] = []
        for outcome in ORDER:
            turns = [(n, result) for group in self._of(outcome) for n, result in enumerate(sorted(group, key=_KEY))]
            found += [result for _, result in sorted(turns, key=lambda t: (t[0], t[1].key))]
        fitting = sum(size <= LARGEST for size in accumulate(result.size for result in found[: self.limit]))
        return found[:fitting]

    @property
    def left_out(self) -> int:
        """How many results aren't listed."""
        return sum(self.counts.values()) - self.counts[Outcome.PASS] - len(self.listed)

    def _of(self, outcome: Outcome) -> Iterator[set[Result]]:
        return (group for (of, _, _), group in sorted(self._groups.items()) if of is outcome)
