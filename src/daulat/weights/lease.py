"""Lets one replica at a time fetch into a shared volume, without ever waiting for one that is gone.

A lease is a marker file that names its holder, who touches it again and again. It is a hint that saves a second download, and not
what keeps weights whole: a fetch has a folder of its own and appears by one rename, so two that overlap do no harm.

``flock`` wouldn't do. On NFS version 3 the lock of a node that went down stays; with the mount option ``nolock`` each node has
locks of its own; and a lock doesn't say who holds it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import SoftFileLease, Timeout

from daulat.api.weights import FETCH_FAILED

from .problem import WeightsProblem

LEASE_SECONDS = 180.0
"""How long a marker may stay untouched before its holder counts as gone; it's touched three times as often.

NFS clients show a file's times up to 60 s late. Releases share volumes during an upgrade and have to agree on it: don't change it.
"""
WAIT_SECONDS = 3600.0
"""How long a replica waits before it fails, so that the pod's status says what it waits for. The kubelet starts it again."""
REPORT_SECONDS = 60.0
POLL_SECONDS = 1.0

_log = logging.getLogger(__name__)


@contextmanager
def held(marker: Path, what: str, holder: Callable[[], str]) -> Iterator[None]:
    """Hold the lease on what is fetched. ``holder`` says who has it, and since when, for messages of a replica that has to wait.

    Raises WeightsProblem after WAIT_SECONDS, and OSError where the volume can't be used.
    """
    lease = SoftFileLease(marker, lease_duration=LEASE_SECONDS, poll_interval=POLL_SECONDS)
    started, watch = time.monotonic(), _Watch(marker)
    while True:
        waited = time.monotonic() - started
        try:
            lease.acquire(timeout=max(0.0, min(REPORT_SECONDS, WAIT_SECONDS - waited)))
            break
        except Timeout:
            waited = time.monotonic() - started
            if watch.seconds_untouched() > LEASE_SECONDS:
                # The library takes an expired lease over by itself, but not where names can't be exchanged in one step (NFS, SMB).
                _log.warning(
                    "%s: %s hasn't been touched for %s: its holder is gone", what, marker.name, _minutes(LEASE_SECONDS)
                )
                lease.force_break()
            elif waited >= WAIT_SECONDS:
                raise WeightsProblem(FETCH_FAILED, f"{what}: waited {_minutes(waited)} for {holder()}") from None
            else:
                _log.warning(
                    "%s: waiting for %s: %s of at most %s", what, holder(), _minutes(waited), _minutes(WAIT_SECONDS)
                )
    try:
        yield
    finally:
        lease.release()


@dataclass
class _Watch:
    """Times by this machine's clock how long a file stays as it is: clocks of nodes and file servers differ."""

    marker: Path
    _seen: tuple[int, int] | None = None
    _since: float = field(default_factory=time.monotonic)

    def seconds_untouched(self) -> float:
        try:
            found = self.marker.stat()
        except FileNotFoundError:
            now = None
        else:
            now = found.st_ino, found.st_mtime_ns
        if now is None or now != self._seen:
            self._seen, self._since = now, time.monotonic()
        return time.monotonic() - self._since


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
