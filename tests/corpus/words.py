"""Says whether an API server says of a request what the evaluator says of it."""

from __future__ import annotations

import re
from collections import Counter

from daulat.cel.evaluator import Verdict

_NEXT = re.compile(r" (?=(?:[A-Z]{3}-\d\d|revision) )")
"""Where the message of the next violation begins."""
_CUT = "..."


def same_words(said: str, verdict: Verdict) -> bool:
    """Say whether a text holds the messages of a verdict, those of one control in any order and the controls in the same one.

    A control that looks at a map, such as annotations or resources, finds its violations in the order of the map, and Go's maps
    have another one each time. So the messages of a control are compared as a set.
    """
    if said == verdict.message:
        return True
    ours, theirs = _NEXT.split(" ".join(verdict.violations)), _NEXT.split(said)
    cut = said.endswith(_CUT) and verdict.message.endswith(_CUT)
    if cut:
        # Which messages are cut off depends on their order; these are among those that the evaluator found.
        *theirs, last = theirs
        return (
            Counter(theirs) <= Counter(ours)
            and any(m.startswith(last.removesuffix(_CUT)) for m in ours)
            and [_id(m) for m in theirs] == [_id(m) for m in ours[: len(theirs)]]
        )
    return [_id(m) for m in ours] == [_id(m) for m in theirs] and sorted(ours) == sorted(theirs)


def _id(message: str) -> str:
    return message.partition(" ")[0]
