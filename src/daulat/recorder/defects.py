"""Counts and logs what a look at one object failed of, so that it stops no other object's entries."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from daulat.logs import trace

from . import metrics

log = logging.getLogger("daulat.recorder")


@contextmanager
def survived() -> Iterator[None]:
    """Go on after the block if it fails."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the other objects' entries are due
        metrics.DEFECTS.inc()
        log.error("a look failed", extra=trace(error))
