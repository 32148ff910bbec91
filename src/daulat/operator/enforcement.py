"""Measures how long a change of a policy takes until a canary proves it."""

from __future__ import annotations

from collections.abc import Callable

from daulat.api import reasons
from daulat.api.meta import ConditionedStatus
from daulat.facts.change import Change
from daulat.facts.declared import Declared


class Enforcement:
    """The policies that have changed and aren't proved yet."""

    def __init__(self, observe: Callable[[float], None]) -> None:
        """Take what is called with the seconds from a change to its proof."""
        self._observe = observe
        self._since: dict[str, tuple[int, float]] = {}
        """By policy, the generation and when it was heard of."""

    def heard(self, change: Change, now: float) -> None:
        """Take in a change of a policy; ``now`` is in seconds."""
        before, after = change.before, change.after
        if after is None:
            self._since.pop(change.ref.name, None)
        elif isinstance(after, Declared) and after.generation != getattr(before, "generation", None):
            self._since[change.ref.name] = after.generation, now

    def begin(self) -> None:
        """Forget what was heard before this replica leads: it was there at the start, or another leader proved it long ago."""
        self._since.clear()

    def decided(self, policy: str, status: ConditionedStatus, now: float) -> None:
        """Take in the status that was decided of a policy."""
        generation, since = self._since.get(policy, (0, now))
        enforced = status.condition(reasons.ENFORCED)
        if (
            generation
            and enforced is not None
            and enforced.status == "True"
            and (enforced.observed_generation or status.observed_generation) == generation
        ):
            del self._since[policy]
            self._observe(now - since)
