"""Writes the match condition that leaves most requests out: a cheap question that is true wherever a control might object.

The API server evaluates a validation and its message for every request that the match conditions let through, whether or not
there is a violation. So a guard's controls are evaluated for suspicious requests alone. What makes a request suspicious to a
control stands beside the control's own text, and may be true too often but never too seldom.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from daulat.api.kinds import Manifest
from daulat.controls.library import Control, Guard

from .literals import TEXT, Constant, literal

CONDITION = "may-be-a-violation"
_CONSTANT = re.compile(rf"(?P<text>{TEXT})|\bvariables\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
_ANY = re.compile(rf"(?P<text>{TEXT})|\bany\b")


def condition(
    guard: Guard, controls: Sequence[Control], constants: Mapping[str, Constant], extra: str = ""
) -> Manifest | None:
    """Return the match condition for these controls of a guard; None where the guard has no screen.

    A match condition can read no variables, so that constants are written out where they are read. ``extra`` is CEL for
    further requests that are to be judged.
    """
    if guard.screen is None:
        return None
    suspicions = [f"({extra})"] if extra else []
    for part in guard.screen.parts:
        own = [f"({_inlined(c.screen[part.name], constants)})" for c in controls if part.name in c.screen]
        if own:
            found = " || ".join(dict.fromkeys(own))
            suspicions.append(f"({_ANY.sub(lambda m, f=found: m['text'] or f'({f})', part.expression)})")  # type: ignore[misc]
    text = " || ".join(suspicions)
    # CEL of the oldest API server has no bindings: a loop over one element is one.
    for shared in reversed(guard.screen.shared):
        text = f"[{shared.expression}].exists({shared.name}, {text})"
    return {"name": CONDITION, "expression": " ".join(text.split())}


def _inlined(expression: str, constants: Mapping[str, Constant]) -> str:
    return _CONSTANT.sub(lambda m: m["text"] or literal(constants[m["name"]]), expression)
