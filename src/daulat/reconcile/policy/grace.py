"""The one rule of drift: how long what a policy doesn't accept any more may go on.

It holds for pods on nodes that aren't eligible any more (`drift.py`) and for models (`model/drifting.py`). They decide what becomes
of them once the grace period is over, and the brake how much goes at a time (`brake.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daulat.api.policy import Action, Drift, DriftAction
from daulat.api.timestamps import seconds, stamp
from daulat.facts.snapshot import Policy


def rule(policy: Policy) -> Drift:
    """Return what the policy says of drift. One that refuses nothing takes nothing away."""
    said = policy.spec.drift or Drift()
    if policy.spec.action is not Action.ENFORCE:
        return said.model_copy(update={"action": DriftAction.REPORT})
    return said


def evicts(policy: Policy) -> bool:
    """Say whether the policy takes anything away for drift, rather than only reporting it."""
    return rule(policy).action is DriftAction.EVICT


@dataclass(frozen=True)
class Grace:
    """The grace period of something that has drifted: the shortest of the policies that don't accept it and evict."""

    since: str
    """Since when the drift is known."""
    policy: Policy | None
    """The policy whose grace period ends first; None where they only report."""

    @classmethod
    def of(cls, policies: Iterable[Policy], since: str) -> Grace:
        """Return the grace period of what these policies don't accept any more."""
        evicting = [p for p in policies if evicts(p)]
        return cls(since, min(evicting, key=lambda p: (rule(p).grace_seconds, p.name), default=None))

    @property
    def length(self) -> int:
        """The grace period in seconds; 0 where there is none."""
        return rule(self.policy).grace_seconds if self.policy is not None else 0

    @property
    def until(self) -> str:
        """When it is over; empty where it never is, because the policies only report."""
        return stamp(seconds(self.since) + self.length) if self.policy is not None else ""

    def left(self, now: float) -> float | None:
        """Return the seconds until it is over; None where it never is."""
        return seconds(self.since) + self.length - now if self.policy is not None else None
