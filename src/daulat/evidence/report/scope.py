"""What a report is about, and how much it lists."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 500
"""Claims that a section lists where nothing else is said. Totals count all."""


@dataclass(frozen=True)
class Scope:
    """A period, and what narrows the report."""

    since: str
    """RFC 3339, as entries have it."""
    until: str
    policy: str = ""
    """Only this policy, what ran under it, its exemptions and refusals. Everything where it is empty."""
    preset: str = ""
    """The preset whose rules are put beside what the log shows."""
    most: int = MOST
