"""Limits how much of what runs under a policy may be taken away at a time, so that a mistake in a zone or a policy ends little.

Evicted pods, and the running pods of workloads that are deleted, are charged to the policies that want it. In any ten minutes a
policy may spend ``spec.drift.limit`` of its running governed pods, but always at least one eviction or workload. What goes beyond
engages the brake: it gets a batch, named by the time, in ``status.brake``, and everything that was due by then is held, until
somebody with the verb ``govern`` writes the batch into ``spec.drift.release``. Labels aren't held: they only keep new pods out.

Charges are kept by the operator's own memory while it leads (``Snapshot.charges``), and are added up in the status for the next
leader.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import floor

from daulat.api.names import eligible_label
from daulat.api.policy import BrakeStatus, Drift
from daulat.api.timestamps import seconds, stamp
from daulat.facts.charge import WINDOW, Charge
from daulat.facts.snapshot import Policy, Snapshot


@dataclass(frozen=True)
class Brake:
    """The brake of one policy in one pass."""

    policy: Policy
    snapshot: Snapshot
    now: float

    @property
    def rule(self) -> Drift:
        """What the policy says."""
        return self.policy.spec.drift or Drift()

    @cached_property
    def recent(self) -> tuple[Charge, ...]:
        """What was charged within the window."""
        charges = self.snapshot.charges.get(self.policy.name, ())
        return tuple(c for c in charges if self.now - c.at < WINDOW)

    @cached_property
    def spent(self) -> int:
        """Running pods that were taken away within the window."""
        return sum(c.pods for c in self.recent)

    @cached_property
    def limit(self) -> int:
        """Running pods that may be taken away within the window."""
        running = self.snapshot.running.get(eligible_label(self.policy.name), 0)
        return max(1, floor((running + self.spent) * self.rule.limit_percent / 100))

    @property
    def batch(self) -> str:
        """The batch that is held by the status, as the time at which the brake was engaged; empty where none is."""
        known = self.policy.status.brake
        return (known.batch if known is not None else None) or ""

    @property
    def released(self) -> str:
        """The batch that spec.drift.release names, if it is or was held; empty otherwise.

        Another time, such as one still to come, releases nothing, not even once it has come: that would release evictions that
        were held by then and that no one has seen. So the status keeps which batch was released.
        """
        known = self.policy.status.brake
        before = known.released if known is not None else None
        return self.rule.release if self.rule.release and self.rule.release in (self.batch, before) else ""

    @property
    def held(self) -> bool:
        """Whether a batch is held and not released."""
        return bool(self.batch) and not self.is_released(seconds(self.batch))

    def is_released(self, due_since: float) -> bool:
        """Say whether what has been due since then belongs to a batch that was released."""
        return bool(self.released) and due_since <= seconds(self.released)

    def charged(self, uid: str) -> int:
        """Return for how many pods an object's deletion was charged already: to try that again costs nothing."""
        return next((c.pods for c in self.recent if c.uid == uid), 0)

    def is_charged(self, uid: str) -> bool:
        """Say whether an object's deletion was charged already."""
        return bool(self.charged(uid))

    def allows(self, pods: int, due_since: float, uid: str) -> bool:
        """Say whether so many running pods, which belong together, may be taken away now."""
        own = self.charged(uid)
        if self.is_released(due_since) or 0 < pods <= own:
            return True
        if self.held:
            return False
        others = self.spent - own
        return others == 0 or others + pods <= self.limit

    def take(self, wanted: Iterable[tuple[str, float]]) -> tuple[list[str], list[str]]:
        """Divide single pods, each with the time since when it is due, into those that may go now and those that are held."""
        room = 0 if self.held else max(self.limit - self.spent, 0)
        goes: list[str] = []
        held: list[str] = []
        for uid, since in wanted:
            if self.is_released(since) or self.is_charged(uid):
                goes.append(uid)
            elif room > 0:
                room -= 1
                goes.append(uid)
            else:
                held.append(uid)
        return goes, held

    def status(self, going: int, held: Sequence[str], others_held: bool = False) -> BrakeStatus | None:
        """Return the status block, with what is charged by this pass; None where nothing was taken, held or released.

        ``others_held``: whether models wait for this policy's brake.
        """
        evicted = self.spent + going
        holds = bool(held) or others_held
        if not evicted and not holds and not self.released:
            return None
        last = stamp(self.now) if going else stamp(max((c.at for c in self.recent), default=self.now))
        return BrakeStatus(
            limit=self.limit,
            evicted=evicted,
            last_eviction_time=last if evicted else None,
            held=len(held),
            batch=(self.batch if self.held else stamp(self.now)) if holds else None,
            released=self.released or None,
        )

    @property
    def again(self) -> float | None:
        """Seconds until charges fall out of the window; None where there are none."""
        return min((c.at + WINDOW - self.now + 0.1 for c in self.recent), default=None)


def release_hint(policy: str, batch: str) -> str:
    """Return how a batch is released."""
    return (
        f"a user with the verb govern releases them: kubectl patch spolicy {policy} --type merge "
        f"""-p '{{"spec":{{"drift":{{"release":"{batch}"}}}}}}'"""
    )
