"""How a log stands with its witnesses: what each answered last, and since when too few of them cosign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a submission to one witness."""

    COSIGNED = "Cosigned"
    UNREACHABLE = "Unreachable"
    """There was no connection, or it broke."""
    TIMED_OUT = "TimedOut"
    PAUSED = "Paused"
    """It wasn't tried, since it didn't answer shortly before."""
    UNKNOWN_LOG = "UnknownLog"
    """404: the witness isn't configured for this log."""
    SIGNATURE_REFUSED = "SignatureRefused"
    """403: the witness has another key of this log."""
    INCONSISTENT = "Inconsistent"
    """422: the witness has cosigned another history. The log was forked."""
    AHEAD = "Ahead"
    """409: the witness has cosigned more entries than the log has. The log was set back or forked."""
    CONFLICT = "Conflict"
    """409 again, with the size that it was given before: something else submits checkpoints of this log."""
    INVALID_ANSWER = "InvalidAnswer"
    """The answer has no valid cosignature of this witness, or isn't in the format."""
    UNPROVED = "Unproved"
    """The log's own hashes couldn't be read."""
    FAILED = "Failed"
    """Another status, such as 500."""


@dataclass(frozen=True)
class Standing:
    """One witness."""

    name: str
    size: int | None = None
    """Entries of the checkpoint that it cosigned last; None if it has cosigned none since the process began."""
    outcome: Outcome | None = None
    """What became of the last submission; None before the first."""


@dataclass(frozen=True)
class Standings:
    """All witnesses of a log."""

    quorum: int
    """Witnesses that have to cosign."""
    witnesses: tuple[Standing, ...]
    missed_since: int | None = None
    """POSIX seconds of the first checkpoint that too few cosigned, with none since that enough did; None while enough do."""

    def of(self, name: str) -> Standing:
        """Return the standing of a witness. KeyError for an unknown one."""
        return {standing.name: standing for standing in self.witnesses}[name]

    @property
    def cosigned(self) -> int:
        """How many witnesses have cosigned the last checkpoint."""
        return sum(standing.outcome is Outcome.COSIGNED for standing in self.witnesses)

    def after(self, size: int, outcomes: Mapping[str, Outcome], now: int) -> Standings:
        """Return the standings after a checkpoint of that size was submitted."""
        witnesses = tuple(
            replace(w, outcome=outcomes[w.name], size=size if outcomes[w.name] is Outcome.COSIGNED else w.size)
            for w in self.witnesses
        )
        found = Standings(self.quorum, witnesses)
        if found.cosigned >= self.quorum:
            return found
        return replace(found, missed_since=now if self.missed_since is None else self.missed_since)
