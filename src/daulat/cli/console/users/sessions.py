"""Sessions of browsers, which can't send a token with each request. They are in memory alone, and end with the process."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable

from ..expiring import Expiring

LASTS = 8 * 3600.0
"""Seconds from signing in to the end of a session. Its token may end earlier, and ends it then."""
MOST = 1000
MOST_OF_A_USER = 20
"""Sessions of one user at a time, so that one user can't end those of others. The oldest ends."""


class Sessions:
    """The token of each session. A cookie holds a random id, and only its digest is kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens: Expiring[str] = Expiring(LASTS, MOST, clock)
        self._of: Expiring[deque[str]] = Expiring(LASTS, MOST, clock)

    def begin(self, token: str, user: str) -> str:
        """Begin a session of a user and return its id."""
        session = secrets.token_urlsafe(32)
        digest, others = _digest(session), self._of.get(user) or deque()
        if len(others) >= MOST_OF_A_USER:
            self._tokens.drop(others.popleft())
        others.append(digest)
        self._of.put(user, others)
        self._tokens.put(digest, token)
        return session

    def token(self, session: str) -> str | None:
        """Return the token of a session, or None where it has ended."""
        return self._tokens.get(_digest(session))

    def end(self, session: str) -> None:
        """End a session."""
        self._tokens.drop(_digest(session))

    def __len__(self) -> int:
        return len(self._tokens)


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()
