"""One batch at a time: read, accepted by the log, and then remembered, so that a batch that fails is taken when it comes again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from daulat.evidence.audit.acts import Reader
from daulat.evidence.audit.batch import Origin, Reading, read
from daulat.evidence.audit.seen import Seen
from daulat.evidence.draft import Draft
from daulat.evidence.record import Record

Accept = Callable[[Sequence[Draft]], Awaitable[None]]
"""Returns once the drafts are in the log for good. Raises Unavailable if they can't be now."""
_BATCHES = 10_000


class Unavailable(Exception):
    """The log takes no entries now: this replica doesn't write, or the store is full or gone."""


class Intake:
    """Takes batches, whichever way they come."""

    def __init__(self, reader: Reader, accept: Accept, revisions: Callable[[], Mapping[str, str]] = dict) -> None:
        """``revisions`` returns the revisions of the policies in force, by name."""
        self._reader = reader
        self._accept = accept
        self._revisions = revisions
        self._seen = Seen()
        self._batches: OrderedDict[str, None] = OrderedDict()
        self._lock = asyncio.Lock()

    def remember(self, digests: Iterable[str]) -> None:
        """Remember batches that are in the log already, by the digests in their entries: a webhook repeats them after a restart."""
        for digest in digests:
            self._batches[digest] = None
        while len(self._batches) > _BATCHES:
            self._batches.popitem(last=False)

    async def take(self, data: bytes, origin: Origin) -> Reading:
        """Take a batch; it is in the log for good when this returns. Raises what ``accept`` and the store of salts raise."""
        # In order, so that a batch that is repeated while it is still being accepted finds its events recorded.
        async with self._lock:
            found = await asyncio.to_thread(read, data, origin, self._reader, self._seen, self._revisions())
            if found.digest not in self._batches:
                await self._accept(found.drafts)
            self._seen.add(found.identities)
            self.remember([found.digest])
            return found

    async def tell(self, record: Record) -> None:
        """Record something about the intake itself, such as a gap."""
        await self._accept([record.draft()])
