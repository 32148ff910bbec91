"""Follows an audit log that the API server writes to a file, through rotations and restarts."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from daulat.evidence.audit.batch import Origin
from daulat.evidence.audit.entries import AuditGap, Doubt, Source

from .intake import Intake, Unavailable
from .position import Position, load, save
from .rotation import Damaged, Gone, LogFile, files

log = logging.getLogger("daulat.recorder")

MOST_BYTES = 8 << 20
"""Of a batch. A line that is longer is recorded as what can't be read. That of a session isn't: a request's head has 1 MiB at most,
of which JSON makes six at most."""


@dataclass(frozen=True)
class Taken:
    """A batch that the log has."""

    digest: str
    offset: int
    size: int
    """Bytes; none for one that isn't of a file, and so has no place."""
    until: str
    """The latest time of an event; empty where it has none."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Return the batch of an AuditBatch."""
        size = int(data.get("bytes") or 0) if data.get("source") == Source.FILE else 0
        return cls(str(data.get("batch")), int(data.get("offset") or 0), size, str(data.get("until") or ""))


class AuditFile:
    """Reads batches of whole lines; the position is saved once the log has a batch, so a crash repeats one and loses none."""

    def __init__(
        self,
        intake: Intake,
        path: Path,
        position: Path,
        *,
        taken: Iterable[Taken] = (),
        seconds: float = 10.0,
        most: int = MOST_BYTES,
    ) -> None:
        """``position`` is the file that keeps the place; ``seconds`` pass before the log is looked at again.

        ``taken`` are the newest batches in the log: the process may have ended before the place after one was saved. ValueError if
        the saved position can't be read.
        """
        self._taken = list(taken)
        self._intake = intake
        self._path = path
        self._saved = position
        self._seconds = seconds
        self._most = most
        self._position = load(position)

    async def run(self) -> None:
        """Follow the log until the task is cancelled."""
        while True:
            try:
                while await self.step():
                    pass
            except (Unavailable, sqlite3.Error, OSError) as error:
                log.warning("audit events were not taken", extra={"error": str(error)})
            await asyncio.sleep(self._seconds)

    async def step(self) -> bool:
        """Take one batch, or go on to the next file. Return whether there may be more at once."""
        present = await asyncio.to_thread(files, self._path)
        position = self._position or self._begin(present)
        if position is None:
            return False
        file = next((f for f in present if f.identity == position.file), None)
        if file is None:
            return await self._lost(position, present)
        if file.is_shorter(position.offset):
            await self._gap(Doubt.CUT_OFF, position, file)
            await self._move(position.at(0, ""))
            return True
        following = _following(file, present, position)
        try:
            data = await asyncio.to_thread(file.read, position.offset, self._most)
        except Gone:
            # It was rotated since the folder was listed, or can't be read for now.
            return False
        except Damaged:
            if following is not None:
                await self._gap(Doubt.DAMAGED, position, following)
                await self._move(position.in_next(following.identity))
            return following is not None
        if (known := self._known(position.offset, data)) is not None:
            await self._move(position.at(known.offset + known.size, known.until))
            return True
        end = data.rfind(b"\n") + 1
        if end == 0 and (len(data) == self._most or following is not None):
            # A line that is too long, or without its end in a file that gets no more: recorded by its digest.
            end = len(data)
        if end:
            origin = Origin(Source.FILE, file.path.name, position.offset)
            found = await self._intake.take(data[:end], origin)
            await self._move(position.at(position.offset + end, found.until))
            return True
        if following is not None:
            await self._move(position.in_next(following.identity))
            return True
        return False

    def _known(self, offset: int, data: bytes) -> Taken | None:
        """Return the batch at a place that the log has already. It has to be taken with its own end: more lines have come since."""
        for batch in self._taken:
            if batch.offset == offset and 0 < batch.size <= len(data):
                digest = f"sha256:{sha256(data[: batch.size]).hexdigest()}"
                if digest == batch.digest:
                    return batch
        return None

    def _begin(self, present: list[LogFile]) -> Position | None:
        """Return the beginning of the log itself: what was rotated before the first start isn't read."""
        if not present or present[-1].path != self._path:
            return None
        return Position(file=present[-1].identity, done=[f.identity for f in present[:-1]])

    async def _lost(self, position: Position, present: list[LogFile]) -> bool:
        """Go on with the oldest file that wasn't read, and record that something may be missing before it."""
        rest = [f for f in present if f.identity not in position.done]
        if not rest:
            return False
        await self._gap(Doubt.ROTATED_AWAY, position, rest[0])
        await self._move(position.in_next(rest[0].identity))
        return True

    async def _gap(self, reason: Doubt, position: Position, file: LogFile) -> None:
        await self._intake.tell(
            AuditGap(source=Source.FILE, reason=reason, since=position.until, until=file.began, file=file.path.name)
        )

    async def _move(self, position: Position) -> None:
        await asyncio.to_thread(save, self._saved, position)
        self._position = position


def _following(file: LogFile, present: list[LogFile], position: Position) -> LogFile | None:
    """Return the file that was begun when this one was rotated."""
    later = present[present.index(file) + 1 :]
    return next((f for f in later if f.identity not in position.done), None)
