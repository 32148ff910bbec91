"""What the recorder looks at beside the mirror: the operator's Events and its Lease, and whether the API server answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from daulat.api.names import LEASE
from daulat.evidence.draft import Draft
from daulat.evidence.index import Missed
from daulat.evidence.records import Evicted, Gap, GapOpened
from daulat.evidence.times import rfc3339, seconds_of
from daulat.kube.client import Client
from daulat.kube.errors import RequestError
from daulat.kube.resources import lease_path, operator_events

from . import metrics

log = logging.getLogger("daulat.recorder")

EVERY = 10.0
"""Seconds between looks."""
UNANSWERED = 30.0
"""Seconds without an answer of the API server after which there is a gap."""
UNLED = 60.0
"""Seconds since the operator's Lease was renewed after which the operator counts as absent."""


@dataclass(frozen=True)
class State:
    """Whether something is observed now: an empty ``reason``, or why not and since when, in POSIX seconds."""

    reason: str = ""
    since: float = 0.0


class Gaps:
    """Turns what isn't observed into entries: one when that begins, and one when it is over."""

    def __init__(
        self, note: Callable[[Sequence[Draft]], None], clock: Callable[[], float], opened: Iterable[Missed] = ()
    ) -> None:
        """``opened`` are those that a recorder before this one has left open."""
        self._note, self._clock = note, clock
        self._open = {gap.of: State(str(gap.data.get("reason") or ""), seconds_of(gap.since)) for gap in opened}

    def see(self, of: str, state: State) -> None:
        """Take in whether something is observed."""
        before = self._open.get(of)
        metrics.OPEN_GAPS.labels(of).set(bool(state.reason))
        if state.reason and before is None:
            self._open[of] = state
            record = GapOpened(of=of, since=rfc3339(state.since), reason=state.reason[:256])
            self._note([record.draft()])
        elif not state.reason and before is not None:
            del self._open[of]
            gap = Gap(of=of, since=rfc3339(before.since), until=rfc3339(self._clock()), reason=before.reason[:256])
            metrics.GAPS.labels(of).inc()
            self._note([gap.draft()])


class Observers:
    """The looks of one process, while it writes."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        note: Callable[[Sequence[Draft]], None],
        has_event: Callable[[str], bool],
        mirror: Callable[[], State],
        clock: Callable[[], float] = time.time,
        opened: Iterable[Missed] = (),
    ) -> None:
        """``mirror`` returns whether the mirror sees the cluster. ``opened`` are the gaps that are open in the log."""
        self._client, self._namespace, self._note, self._has_event = client, namespace, note, has_event
        self._mirror, self._clock = mirror, clock
        self._gaps = Gaps(note, clock, opened)
        self._recorded: set[str] = set()
        """Events that are listed and recorded. The log can't be asked again while it is closed."""
        self._led: State = State()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self._gaps.see("Cluster", self._mirror())
            try:
                await self._look_at_events()
                await self._look_at_lease()
            except RequestError as error:
                log.warning("could not look at the operator", extra={"error": str(error)[:200]})
            await asyncio.sleep(EVERY)

    async def _look_at_events(self) -> None:
        """Record what the operator has taken away. The API server keeps Events for an hour."""
        drafts: list[Draft] = []
        listed: set[str] = set()
        async for page, _ in self._client.pages(operator_events()):
            for raw in page:
                found = evicted(raw)
                if found is None:
                    continue
                listed.add(found.event)
                if found.event not in self._recorded and not self._has_event(found.event):
                    drafts.append(found.draft())
        self._recorded = listed
        if drafts:
            self._note(drafts)

    async def _look_at_lease(self) -> None:
        raw = await self._client.get(lease_path(self._namespace, LEASE))
        spec = (raw or {}).get("spec") or {}
        now = self._clock()
        renewed = seconds_of(spec["renewTime"]) if spec.get("renewTime") else self._led.since or now
        held = bool(spec.get("holderIdentity"))
        self._led = State(since=renewed)
        absent = now - renewed > UNLED
        why = "the operator's Lease isn't renewed" if held else "no operator holds the Lease"
        self._gaps.see("Operator", State(why if absent else "", renewed))


_NAME = 253
"""Characters of a name: the API server takes longer ones in what an Event is about."""
_DELETED = ("deleted: ", "the workload was deleted")
"""How the messages of Events begin by which something is taken away."""


def evicted(raw: dict[str, Any]) -> Evicted | None:
    """Read an Event of the operator; None where nothing was taken away by it."""
    about, message = raw.get("involvedObject") or {}, str(raw.get("message") or "")
    if not message.startswith(_DELETED):
        return None
    return Evicted(
        of=str(about.get("kind") or "")[:_NAME],
        namespace=str(about.get("namespace") or "")[:_NAME],
        name=str(about.get("name") or "")[:_NAME],
        uid=str(about.get("uid") or "")[:_NAME],
        reason=str(raw.get("reason") or "")[:128],
        message=message[:256],
        at=str(raw.get("eventTime") or raw.get("lastTimestamp") or ""),
        event=str((raw.get("metadata") or {}).get("uid") or ""),
    )
