"""Takes in the API server's audit log, by a webhook, from a file, or both, while this replica writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from daulat.evidence.audit.acts import Reader
from daulat.evidence.personal import Pseudonyms
from daulat.facts.store import Store

from .audit.follow import AuditFile
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
    """The intake of one replica that writes."""

    def __init__(self, options: AuditOptions, pseudonyms: Pseudonyms, store: Store, accept: Accept) -> None:
        self._options, self._store = options, store
        self._intake = Intake(Reader(pseudonyms, options.operator), accept, self._revisions)

    async def run(self, digests: Callable[[], list[str]], until: datetime | None) -> None:
        """Take events in until the task is cancelled.

        ``digests`` returns those of the batches that are recorded already, ``until`` is when recording ended before.
        """
        options = self._options
        self._intake.remember(await asyncio.to_thread(digests))
        webhook = AuditWebhook(self._intake, options.webhook) if options.webhook is not None else None
        try:
            if webhook is not None:
                port = await webhook.start(datetime.now().astimezone(), until)
                log.info("takes audit events", extra={"port": port})
            if options.file is not None and options.position is not None:
                await AuditFile(self._intake, options.file, options.position).run()
            await asyncio.Event().wait()
        finally:
            if webhook is not None:
                await webhook.stop()

    def _revisions(self) -> Mapping[str, str]:
        policies = self._store.snapshot().known_policies.values()
        return {p.name: p.status.revision for p in policies if p.status.revision}
