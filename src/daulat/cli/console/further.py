"""Reads what the pages show beyond the facts: doctor's lists, the log, and what changes would do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from daulat.console.further import Further
from daulat.console.log import Log, read_log
from daulat.console.runs import AtCheckpoint, Runs, find
from daulat.console.whatif import WhatIf
from daulat.doctor.examine import examine
from daulat.evidence.index import Index
from daulat.ledger.store import Files
from daulat.ledger.trust import Trust
from daulat.status.facts import Facts

from ..cluster import Reader
from ..weaknesses import read

_LEFT_OUT = {"secrets": "the console doesn't read Secrets; daulat doctor reads the names of their keys"}


@dataclass(frozen=True)
class LogSource:
    """A log, which is read at each refresh. The index of its runs takes in only what it lacks then."""

    files: Files
    trust: Trust | None = None
    """The keys that the log's checkpoint is verified with; None where none was given."""
    index: Path | None = None
    """Where the index is kept; None for one in memory."""

    async def read(self, models: Iterable[tuple[str, str]]) -> Log:
        """Return the last checkpoint, and the last runs of models, by namespace and name, where it is verified."""
        return await asyncio.to_thread(self._read, tuple(models))

    def _read(self, models: tuple[tuple[str, str], ...]) -> Log:
        files = self.files
        log = read_log(files, self.trust)
        if not log.verified or log.head is None or self.trust is None:
            return log
        fixed = AtCheckpoint(files, log.signed)
        try:
            return replace(log, runs=find(self._index, fixed, self.trust, log.head, models))
        except sqlite3.Error as error:
            return replace(log, runs=Runs(fixed, self.trust, {}, f"the index can't be opened: {error}"))

    @cached_property
    def _index(self) -> Index:
        return Index(self.index)


@dataclass(frozen=True)
class Source:
    """Where it is read from."""

    operator_namespace: str
    log: LogSource | None = None

    async def read(self, reader: Reader, facts: Facts, whatif: WhatIf) -> Further:
        """Return what was read, with what is known of changes.

        Raises RequestError where not even the API server's version can be read.
        """
        cluster = await read(reader, self.operator_namespace, left_out=_LEFT_OUT)
        models = ((ref.namespace, ref.name) for ref in facts.snapshot.models)
        # The checks take seconds in a large cluster, and the server answers meanwhile.
        report, log = await asyncio.gather(
            asyncio.to_thread(examine, cluster), _nothing() if self.log is None else self.log.read(models)
        )
        return Further(report, log, whatif)


async def _nothing() -> None:
    return None
