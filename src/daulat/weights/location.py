"""Refuses a URI that HTTP libraries would resolve to another location than the one that policies compared with their prefixes."""

from __future__ import annotations

from daulat.api.weights import FETCH_FAILED, Source, is_plain

from .problem import WeightsProblem


def check_plain(source: Source) -> None:
    """Raise WeightsProblem where a part of the URI is empty, ``.`` or ``..``, or where it is escaped or names a user.

    The definition of SovereignModel refuses such a URI, but a definition of another release may not.
    """
    if not is_plain(source.uri):
        raise WeightsProblem(
            FETCH_FAILED,
            f"{source.uri} isn't a plain URI: no part of its path may be empty or begin with a dot, and % and"
            " a user aren't allowed",
        )
