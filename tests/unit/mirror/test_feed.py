"""How Kopf is set up to watch."""

from __future__ import annotations

from itertools import islice

from daulat.kube.resources import WATCHED
from daulat.mirror.feed import _settings

TRIES = 10_000


def test_a_kind_that_cant_be_watched_is_tried_for_ever_and_ends_no_other_watch() -> None:
    pauses = _settings(WATCHED).networking.error_backoffs
    assert not isinstance(pauses, int | float)
    found = list(islice(pauses, TRIES))
    assert len(found) == TRIES
    assert 1 <= min(found) <= max(found) <= 30
    # Each request starts with the short pauses.
    assert list(islice(pauses, 3)) == found[:3]
