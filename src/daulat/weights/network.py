"""How long a server of weights may say nothing, how often a request is repeated, and how a failed one is described.

A read timeout is the time between two chunks: a slow download of a terabyte that moves is never cut off, one that stalls is.
Every source keeps to the same limits, because a fetch that hangs also holds the lease that other replicas wait for.
"""

from __future__ import annotations

CONNECT_SECONDS = 10
"""Time to open a connection, TLS included."""
READ_SECONDS = 60
"""Time between two chunks. A registry that fetches a blob from elsewhere first needs some of it before the first one."""
RETRIES = 5
"""How often one request is repeated, with growing pauses, before the fetch fails."""
LONGEST_PAUSE_SECONDS = 60
"""Longest pause between two of them, also where a server names a longer one in ``Retry-After``."""
UNLIMITED_SECONDS = 30 * 24 * 3600
"""For libraries that also limit a whole file, which a slow download of a large one would run into."""


def describe(error: BaseException) -> str:
    """Return what went wrong on one line of at most 400 characters: what a library says, and the cause where that is general."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    told, cause = _line(error), _line(root)
    return told[:400] if cause in told else f"{told[:200]}: {cause[:200]}"


def _line(error: BaseException) -> str:
    # What follows the first line is advice or, with obstore, a dump for developers.
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
