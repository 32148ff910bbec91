"""What the pages show beyond the facts: what weakens enforcement, the log, and what changes would do. Each may be absent, and the
pages say so."""

from __future__ import annotations

from dataclasses import dataclass, field

from daulat.doctor.finding import Finding, Report

from .log import Log
from .whatif import WhatIf


@dataclass(frozen=True)
class Further:
    """What was read besides the facts."""

    weaknesses: Report | None = None
    """Doctor's report; None where its lists weren't read."""
    log: Log | None = None
    """The log as it was read; None where none was given."""
    whatif: WhatIf = field(default_factory=WhatIf)
    """Which changes are simulated, and what was worked out before the pages were made."""

    def weakening(self, policy: str) -> tuple[Finding, ...]:
        """Return the findings that are about a policy, the worst first."""
        name = f"SovereigntyPolicy {policy}"
        return tuple(f for f in self.weaknesses.findings if name in f.objects) if self.weaknesses is not None else ()


NOTHING = Further()
"""Nothing was read besides the facts."""
