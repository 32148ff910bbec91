"""Where facts of the catalogue come from, and how sure we are of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Grade = Literal["primary text", "computed", "secondary source", "not verified"]
"""Primary text: read in the developer's own files. Computed: from such files, by the rule in the source. Secondary source: read
in what others say. Not verified: general knowledge, which nobody has looked up yet."""


class Source(BaseModel):
    """Where facts come from."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    facts: tuple[str, ...] = Field(min_length=1)
    """Fields of the entry that it is about."""
    text: str = Field(min_length=1, alias="from")
    """What was read."""
    read: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    """The day on which it was read."""
    grade: Grade
    """How sure we are."""


def unsourced(given: Iterable[str], known: Iterable[str], sources: Iterable[Source]) -> tuple[set[str], set[str]]:
    """Return the given facts that no source is about, and what sources are about that is no known fact."""
    told = {fact for source in sources for fact in source.facts}
    return {*given} - told, told - {*known}


def unverified(sources: Iterable[Source]) -> list[str]:
    """Return the facts that nobody has looked up."""
    return sorted({fact for source in sources if source.grade == "not verified" for fact in source.facts})
