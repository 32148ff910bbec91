"""An intake whose log is a list, and which refuses when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from daulat.evidence.audit.acts import Reader
from daulat.evidence.draft import Draft
from daulat.evidence.personal import Pseudonyms
from daulat.recorder.audit.intake import Intake, Unavailable


class Log:
    """What was accepted."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.full = False
        self.waits: asyncio.Event | None = None

    async def accept(self, drafts: Sequence[Draft]) -> None:
        if self.waits is not None:
            await self.waits.wait()
        if self.full:
            raise Unavailable("the store is full")
        self.drafts += drafts

    @property
    def kinds(self) -> list[str]:
        return [d.kind for d in self.drafts]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [dict(d.data) for d in self.drafts if d.kind == kind]


def intake(log: Log) -> Intake:
    """Return an intake into this log."""
    return Intake(Reader(Pseudonyms(lambda name: name.encode().ljust(32))), log.accept)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; one that hangs fails."""
    asyncio.run(asyncio.wait_for(scenario, 30))
