"""The time as a fact: which statements begin or end to be valid when it moves."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Any

from daulat.attestation import dsse
from daulat.attestation.errors import AttestationError

from .declared import Declared


class Clock:
    """The time, and the moments at which statements begin and end, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the epoch."""
        self._moments: list[tuple[float, str]] = []
        self._of: dict[str, tuple[float, float]] = {}

    def follow(self, name: str, attestation: Any) -> None:
        """Take in when the statement of a NodeAttestation begins and ends; None where there is none any more."""
        for moment in self._of.pop(name, ()):
            self._moments.pop(bisect_left(self._moments, (moment, name)))
        if isinstance(attestation, Declared):
            try:
                statement = dsse.unverified(attestation.spec.envelope)
            except AttestationError:
                return
            self._of[name] = statement.begins, statement.ends
            for moment in self._of[name]:
                insort(self._moments, (moment, name))

    def advance(self, now: float) -> list[str]:
        """Set the time, later or earlier than it was. Return the names whose statements begin or end in between."""
        first, last = sorted((self.now, now))
        self.now = now
        end = "\U0010ffff"
        between = self._moments[bisect_right(self._moments, (first, end)) : bisect_right(self._moments, (last, end))]
        return sorted({name for _, name in between})
