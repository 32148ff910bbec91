"""Names of extended resources, exact and by pattern. A pattern leaves open what varies in a family of names, and nothing else."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

ResourceName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", max_length=317)
]
# The vendor's domain and at least one character of the name are always said, so that no pattern stands for whatever a vendor has.
ResourcePattern = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9_.]*[#*][-A-Za-z0-9_.#*]*$",
        max_length=317,
        examples=["nvidia.com/mig-#g.#gb"],
    ),
]
_OPEN = {"#": "[0-9]+", "*": "[-A-Za-z0-9_.]+"}
"""What is left open, in the words that Python's regular expressions and those of CEL (RE2) share."""


def expression(pattern: str) -> str:
    """Return the regular expression of a pattern, without anchors: # stands for digits, * for any part of a name."""
    return "".join(_OPEN.get(c) or (f"\\{c}" if c == "." else c) for c in pattern)


def fits(pattern: str, resource: str) -> bool:
    """Say whether the whole name is one that the pattern stands for."""
    return re.fullmatch(expression(pattern), resource) is not None
