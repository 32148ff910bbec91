"""Which events were recorded before: the last ones, as many as fit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

MOST = 100_000
"""Events: ten times what an API server buffers. An identity takes about 200 bytes here."""


class Seen:
    """Identities of events, the oldest of which are forgotten."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, identity: object) -> bool:
        return identity in self._known

    def add(self, identities: Iterable[bytes]) -> None:
        """Remember events that are in the log."""
        for identity in identities:
            self._known[identity] = None
            self._known.move_to_end(identity)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
