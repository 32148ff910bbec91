"""Doctor's report: findings, and the checks that couldn't be made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weakens enforcement."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Its place in the order info < low < medium < high."""
        return list(Severity).index(self)


class NotLooked(Exception):
    """Something couldn't be looked at. ``rights`` says whether more rights would help."""

    def __init__(self, needs: str, *, rights: bool = True) -> None:
        super().__init__(needs)
        self.needs, self.rights = needs, rights


@dataclass(frozen=True)
class Found:
    """One thing that a check found: a sentence, the objects it is about, and a severity where it isn't the check's own."""

    what: str
    objects: tuple[str, ...] = ()
    severity: Severity | None = None
    remedy: str = ""
    """What to do where it isn't what the check says."""


@dataclass(frozen=True)
class Finding:
    """One thing that weakens enforcement."""

    check: str
    title: str
    severity: Severity
    what: str
    objects: tuple[str, ...]
    why: str
    remedy: str


@dataclass(frozen=True)
class Unchecked:
    """A check, or a part of it, that couldn't be made."""

    check: str
    title: str
    severity: Severity
    needs: str
    rights: bool
    """Whether more rights, or an option, would help. Where not, the API doesn't show it to anybody."""


@dataclass(frozen=True)
class Report:
    """Doctor's report, the worst finding first."""

    server: str
    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
    checked: tuple[str, ...]
    """The checks that were made in full."""

    def worst(self) -> Severity | None:
        """Return the highest severity of a finding, or of a check for which rights were missing; None where all is well."""
        every = [f.severity for f in self.findings] + [u.severity for u in self.unchecked if u.rights]
        return max(every, key=lambda s: s.rank, default=None)
