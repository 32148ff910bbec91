"""Fixtures of the tests of logs."""

from __future__ import annotations

import pytest

from daulat.ledger import bucket

from .buckets import Requests


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    made = Requests()
    monkeypatch.setattr(bucket, "obstore", made)
    # One request after the other, so that each has a number.
    monkeypatch.setattr(bucket, "_AT_ONCE", 1)
    return made
