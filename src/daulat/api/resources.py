"""Names of extended resources, exact and by pattern. A pattern leaves open what varies in a family of names, and nothing else."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
FAMILY_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9_.]*[#*][-A-Za-z0-9_.#*]*$"
ResourceName = Annotated[str, Field(pattern=NAME_PATTERN, max_length=317)]
# The vendor's domain and at least one character of the name are always said, so that no pattern stands for whatever a vendor has.
ResourcePattern = Annotated[
    str,
    Field(
        pattern=FAMILY_PATTERN,
        max_length=317,
        examples=["nvidia.com/mig-#g.#gb"],
    ),
]
_OPEN = {"#": "[0-9]+", "*": "[-A-Za-z0-9_.]+"}
"""What is left open, as regular expressions of RE2, which CEL has as well."""


def expression(pattern: str) -> str:
    """Return the regular expression of a pattern, without anchors: # stands for digits, * for any part of a name."""
    return "".join(_OPEN.get(c) or (f"\\{c}" if c == "." else c) for c in pattern)


# One decision about a large cluster's nodes compares the same few hundred names with the same few dozen patterns 65,000 times.
@lru_cache(maxsize=4096)
def fits(pattern: str, resource: str) -> bool:
    """Say whether the whole name is one that the pattern stands for."""
    return _compiled(pattern).fullmatch(resource.encode(errors="replace")) is not None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    # As the API server matches it: RE2 takes time linear in the name. Python's re takes minutes for a pattern with a dozen stars.
    import re2  # noqa: PLC0415 (it takes 5 ms, and most commands need none)

    return re2.compile(expression(pattern).encode())  # type: ignore[no-untyped-call]
