"""Reads what the pages show beyond the facts: doctor's lists, the log's checkpoint, and what changes would do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from daulat.console.further import Further
from daulat.console.log import Log, read_log
from daulat.console.whatif import WhatIf
from daulat.doctor.examine import examine
from daulat.ledger.folder import Folder
from daulat.ledger.trust import Trust

from ..cluster import Reader
from ..weaknesses import read

_LEFT_OUT = {"secrets": "the console doesn't read Secrets; daulat doctor reads the names of their keys"}


@dataclass(frozen=True)
class Source:
    """Where it is read from."""

    operator_namespace: str
    log: Path | None = None
    trust: Trust | None = None
    """The keys that the log's checkpoint is verified with; None where none was given."""

    async def read(self, reader: Reader, whatif: WhatIf) -> Further:
        """Return what was read, with what is known of changes.

        Raises RequestError where not even the API server's version can be read.
        """
        cluster = await read(reader, self.operator_namespace, left_out=_LEFT_OUT)
        # The checks take seconds in a large cluster, and the server answers meanwhile.
        report, log = await asyncio.gather(asyncio.to_thread(examine, cluster), asyncio.to_thread(self._log))
        return Further(report, log, whatif)

    def _log(self) -> Log | None:
        return read_log(Folder(self.log), self.trust) if self.log is not None else None
