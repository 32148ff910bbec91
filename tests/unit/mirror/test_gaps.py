"""What a stream lists is noted until its list is complete, and what is known beside it is missing."""

from __future__ import annotations

from daulat.kube.ref import Ref
from daulat.mirror.gaps import EMPTY, QUIET, Gaps

ONE, TWO = Ref("Pod", "a", "one"), Ref("Pod", "a", "two")


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_list_is_complete_once_nothing_more_of_it_comes() -> None:
    clock = Clock()
    gaps = Gaps(clock)
    gaps.begin(["Pod", "Node"])
    gaps.hear(ONE, listed=True)
    clock.now += QUIET - 1
    gaps.hear(TWO, listed=True)
    clock.now += QUIET - 1
    assert gaps.complete() == {}
    clock.now += 1
    assert gaps.complete() == {"Pod": {ONE, TWO}}
    assert gaps.complete() == {}


def test_a_stream_that_lists_nothing_is_complete_after_a_while() -> None:
    clock = Clock()
    gaps = Gaps(clock)
    gaps.begin(["Node"])
    clock.now += EMPTY
    assert gaps.complete() == {"Node": set()}


def test_what_is_made_while_a_stream_lists_is_known() -> None:
    clock = Clock()
    gaps = Gaps(clock)
    gaps.hear(ONE, listed=True)
    gaps.hear(TWO, listed=False)
    clock.now += QUIET
    assert gaps.complete() == {"Pod": {ONE, TWO}}


def test_an_event_outside_of_a_list_begins_none() -> None:
    gaps = Gaps(Clock())
    gaps.hear(ONE, listed=False)
    assert gaps.complete() == {}
