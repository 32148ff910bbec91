"""Finds objects that were deleted between a full list and the list that a stream of events begins with.

A stream begins, and after an interruption of some minutes begins anew, with a list of its own: of what was deleted before that no
event comes. So what a stream lists is noted, and where a known object isn't in it the kind has to be listed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from daulat.kube.ref import Ref

QUIET = 5.0
"""Seconds without another object of a stream's own list, after which that list counts as complete."""
EMPTY = 30.0
"""Seconds after which a stream that has listed nothing counts as one that had nothing to list."""


@dataclass
class _Stream:
    due: float
    """When its list counts as complete, by the clock."""
    heard: set[Ref] = field(default_factory=set)


class Gaps:
    """What the streams of events have listed, for as long as their lists aren't complete."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a clock that counts seconds."""
        self._clock = clock
        self._streams: dict[str, _Stream] = {}

    def begin(self, kinds: Iterable[str]) -> None:
        """Note that streams of these kinds are being opened."""
        due = self._clock() + EMPTY
        self._streams = {kind: _Stream(due) for kind in kinds}

    def listing(self, kind: str) -> bool:
        """Say whether a stream of the kind hasn't listed all it has yet: other events of it needn't be noted."""
        return kind in self._streams

    def hear(self, ref: Ref, *, listed: bool) -> None:
        """Note an event. ``listed``: whether it is of the list that a stream begins with."""
        stream = self._streams.get(ref.kind)
        if listed:
            if stream is None:
                stream = self._streams[ref.kind] = _Stream(0.0)
            stream.due = self._clock() + QUIET
        if stream is not None:
            stream.heard.add(ref)

    def complete(self) -> dict[str, set[Ref]]:
        """Return the kinds whose streams have listed all they have, with the objects that they named. Each is returned once."""
        now = self._clock()
        done = {kind: stream.heard for kind, stream in self._streams.items() if stream.due <= now}
        for kind in done:
            del self._streams[kind]
        return done
