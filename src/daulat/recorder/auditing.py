"""Takes in the API server's audit log, by a webhook, from a file, or both, while this replica writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from daulat.evidence.audit.acts import Reader
from daulat.evidence.personal import Pseudonyms
from daulat.facts.store import Store

from .audit.follow import AuditFile, Taken
from .audit.intake import Accept, Intake
from .audit.webhook import AuditWebhook, WebhookOptions

log = logging.getLogger("daulat.recorder")


@dataclass(frozen=True)
class AuditOptions:
    """Where audit events come from; nowhere by default."""

    webhook: WebhookOptions | None = None
    file: Path | None = None
    position: Path | None = None
    """The file that keeps the place in it."""
    operator: str = ""
    """The user name of Daulat's operator."""


class Auditing:
    """The intake of one replica. Each listens, so that no connection is refused; one that writes takes events."""

    def __init__(
        self,
        options: AuditOptions,
        pseudonyms: Pseudonyms,
        store: Store,
        accept: Accept,
        writes: Callable[[], bool],
    ) -> None:
        """ValueError if the webhook lets in every client. ``writes`` returns whether this replica writes the log."""
        self._options, self._store, self._writes = options, store, writes
        self._remembers = False
        self._intake = Intake(Reader(pseudonyms, options.operator), accept, self._revisions)
        self._webhook: AuditWebhook | None = None
        self.problem = ""
        """Why the file isn't followed; empty where it is, or where there is none."""
        if options.webhook is not None:
            self._webhook = AuditWebhook(self._intake, options.webhook, writes=self.takes)

    def takes(self) -> bool:
        """Say whether batches are taken: once this replica writes, and knows which ones are recorded already."""
        return self._remembers and self._writes()

    async def listen(self) -> None:
        """Begin to listen. OSError or ssl.SSLError if that can't be."""
        if self._webhook is not None:
            log.info("listens for audit events", extra={"port": await self._webhook.start()})

    async def run(self, taken: Sequence[Taken], until: datetime | None) -> None:
        """Follow the file, where there is one, until the task is cancelled, once this replica writes.

        ``taken`` are the newest batches that are recorded already, ``until`` is when recording ended before.
        """
        self._intake.remember(batch.digest for batch in taken)
        self._remembers = True
        if self._webhook is not None and until is not None:
            await self._webhook.tell_gap(until)
        if self._options.file is not None and self._options.position is not None:
            try:
                file = AuditFile(self._intake, self._options.file, self._options.position, taken=taken)
            except ValueError as error:
                # To begin anew would be a guess, and what else is recorded doesn't depend on it.
                self.problem = str(error)
                log.error("the audit log isn't followed", extra={"error": self.problem})
            else:
                await file.run()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Listen no more."""
        if self._webhook is not None:
            await self._webhook.stop()

    def _revisions(self) -> Mapping[str, str]:
        policies = self._store.snapshot().known_policies.values()
        return {p.name: p.status.revision for p in policies if p.status.revision}
