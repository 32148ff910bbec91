"""Keeps the facts up to date: a full list, then the watches, and a full list now and then, which brings what a watch missed.

Lists are read page by page, no page is kept, and objects that are known already aren't read: 20,000 pods are more than 600 MiB
as objects of Python. Each kind is listed by itself. One that can't be listed is tried again, each time later; what is known of
it stays, and so does everything else. The facts count as synced once every kind is listed that no cluster is without. A kind
that clusters do without may be *unlisted* then: the snapshot names it, and decisions that need it are left open.

Only what the API server itself answers is a fact. Who answers is looked at before each list (`registrations.py`), and of Daulat's
own kinds, which decide what is enforced, after it and before events are taken in as well. A list of these that is empty counts
once a second one agrees, and not where their definition was made anew meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daulat.api.names import GROUP
from daulat.catalog.kubernetes import Capabilities, Pin
from daulat.facts.change import Change
from daulat.facts.definition import STEP as APPLY_DEFINITIONS
from daulat.facts.definition import Definition
from daulat.facts.store import Store, version_of
from daulat.kube.client import Client
from daulat.kube.errors import ApiError, NoAnswer, NotFound, Rejected, RequestError
from daulat.kube.page import Listed
from daulat.kube.ref import Ref
from daulat.kube.resources import WATCHED, Resource, Use
from daulat.logs import trace

from .discovery import discover
from .gaps import Gaps
from .registrations import Registrations, definition, registrations

log = logging.getLogger("daulat.informer")

RESYNC = 300.0
"""Seconds between full lists."""
STALLED = 2
"""Full lists in a row that bring news of a kind whose watch said nothing, after which that watch counts as stalled."""
AT_ONCE = 3
"""Kinds that are listed at the same time at the start."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
"""Seconds before a kind that couldn't be listed is tried again: the first time, and at most."""
OVERDUE = 4
"""Failed lists of a kind in a row after which it counts as refused. They take some seven seconds: what lasts longer is no start."""
POLL = 5.0
"""Seconds between lists of a kind that isn't watched."""
ASK = 30.0
"""Seconds between questions what the API server offers. An answer counts once it came twice in a row."""
STEP = 50
"""Objects that are taken in before others of the loop have their turn: at most some ten milliseconds."""


OWN = frozenset(r.kind for r in WATCHED if r.use is Use.OWN)
"""The kinds that decide what is enforced."""
LOSES_NOTHING = frozenset(["SovereigntyExemption", "AcceleratorInventory", "NodeAttestation"])
"""Kinds whose absence lifts nothing, so that an empty list of them is believed."""


def _pauses() -> Iterator[float]:
    """Yield the seconds before each next try: more each time up to a limit, and not in step with other replicas."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        pause = min(2 * pause, LAST_PAUSE)


def _nothing(kind: str, count: int = 1) -> None:
    return None


@dataclass(frozen=True)
class Meters:
    """What is counted, by kind."""

    heard: Callable[[str, int], None] = _nothing
    """Events of the watches."""
    missed: Callable[[str, int], None] = _nothing
    """Changes that a full list brought and no watch."""
    failed: Callable[[str, int], None] = _nothing
    """Lists that failed."""


class Informer:
    """The one writer of the facts that come from the cluster."""

    def __init__(
        self,
        client: Client,
        store: Store,
        changed: Callable[[Change], None],
        meters: Meters | None = None,
        listed_late: Callable[[], None] = lambda: None,
        pin: Pin | None = None,
        resources: Sequence[Resource] = WATCHED,
    ) -> None:
        """Take the sink of changes, and one that is called when a kind is listed, or overdue, after the facts counted as synced.

        ``pin`` is what adds to the nodeSelector of pods, where an option says so; else the cluster shows it.
        """
        self._pin, self._resources = pin, resources
        self._listed_late = listed_late
        self._client, self._store, self._changed, self._meters = client, store, changed, meters or Meters()
        self._events_seen: Counter[str] = Counter()
        self._silent: Counter[str] = Counter()
        self._listed: set[str] = set()
        self._refused: set[str] = set()
        self._failed_lists: Counter[str] = Counter()
        """Lists that failed, by kind, until one doesn't."""
        self._retrying: set[asyncio.Task[None]] = set()
        self._registered: Registrations | None = None
        self._replaced: dict[str, str] = {}
        """Kinds whose definition was made anew and that have no objects since, each with the sentence that says so."""
        self._empty: set[str] = set()
        self._gaps = Gaps(time.monotonic)
        self._waiting: list[tuple[str, str | None, dict[str, Any]]] = []
        self._judging: asyncio.Task[None] | None = None
        self.definitions: dict[str, str] = {}
        """The uids of the CustomResourceDefinitions of Daulat's own kinds whose lists were believed last."""
        self.failures: dict[str, str] = {}
        """Why a kind couldn't be listed last, by kind."""
        self.registered_anew = asyncio.Event()
        """Set when registrations changed, until streams that may come from somewhere else are closed. Meanwhile events of Daulat's
        own kinds are dropped."""
        self.synced = asyncio.Event()
        self.answered = time.monotonic()
        """When the API server answered last, by the monotonic clock."""

    async def sync(self) -> None:
        """List every kind in full, as often as it takes for those that no cluster is without."""
        self._store.record_unlisted(frozenset(r.kind for r in self._resources))
        # First of all: which version of a kind is listed and watched depends on it, and what policies compile to.
        pauses = _pauses()
        while (found := await self._discover()) is None:
            await asyncio.sleep(next(pauses))
        self._store.record_capabilities(found)
        log.info("capabilities", extra={"kubernetes": str(found.version), "pin": str(found.pin)})
        gate = asyncio.Semaphore(AT_ONCE)

        async def first(resource: Resource) -> None:
            async with gate:
                done = await self._list(resource)
            if done:
                return
            if resource.optional:
                task = asyncio.create_task(self._until_listed(resource))
                self._retrying.add(task)
                task.add_done_callback(self._retrying.discard)
            else:
                await self._until_listed(resource)

        await asyncio.gather(*map(first, self._resources))
        self.synced.set()
        log.info("facts are synced", extra={"unlisted": self.unlisted()})

    async def until_served_otherwise(self) -> None:
        """Ask now and then what the API server offers, and return once it serves a kind in another version than before."""
        before = self._store.capabilities
        last = before
        while True:
            await asyncio.sleep(ASK)
            found = await self._discover()
            # During an upgrade API servers of two versions may answer in turn: neither is taken up then.
            agreed, last = found == last, found or last
            if found is None or not agreed:
                continue
            if (change := self._store.record_capabilities(found)) is not None:
                log.info("capabilities changed", extra={"kubernetes": str(found.version), "pin": str(found.pin)})
                self._changed(change)
            if found.served != before.served:
                return

    def streams_begin(self) -> None:
        """Note that the streams are being opened. What was deleted between the full lists and theirs is looked for by ``poll``."""
        self._gaps.begin(r.kind for r in self._resources if not self._is_polled(r))

    def recall(self, definitions: Mapping[str, str]) -> None:
        """Take in the definitions that the leader before knew. A kind that lost all objects with its own isn't believed."""
        for kind in sorted(self._empty):
            self._compare(kind, definitions.get(kind, ""), self.definitions.get(kind, ""))
        self._record_untrusted()

    async def poll(self) -> None:
        """Look every few seconds who answers, and list what no event would tell of; for ever.

        That are the kinds that aren't watched, since they are served in a beta, and those of which an object is missing in the list
        that a stream began with.
        """
        while True:
            await asyncio.sleep(POLL)
            await self._look()
            await self._define_anew()
            complete = self._gaps.complete()
            for resource in self._resources:
                known = complete.get(resource.kind)
                if self._is_polled(resource) or (known is not None and self._store.refs(resource.kind) - known):
                    await self._list(resource)

    async def _define_anew(self) -> None:
        """Look at the definitions of another release again: once they are applied, statuses are written whole."""
        different = {k for k, d in self._store.snapshot().definitions.items() if d.missing or d.unknown}
        for resource in self._resources:
            if resource.kind in different:
                try:
                    await self._define(resource)
                except RequestError as error:
                    log.warning("could not read a CustomResourceDefinition", extra={"error": str(error)[:200]})

    def _is_polled(self, resource: Resource) -> bool:
        return resource.on(self._store.capabilities) != resource

    async def resync(self, done: Callable[[], None]) -> None:
        """List every kind now and then, for ever."""
        while True:
            await asyncio.sleep(RESYNC)
            await self.relist()
            done()

    async def relist(self) -> None:
        """List every kind once more, and note which watches said nothing of what that brought."""
        for resource in self._resources:
            heard = self._events_seen.pop(resource.kind, 0)
            await self._list(resource, heard=None if self._is_polled(resource) else heard)

    def take(self, kind: str, type_: str | None, raw: dict[str, Any]) -> None:
        """Take a watch event in. An object that trips a defect here is logged by its name; the others go on."""
        self._events_seen[kind] += 1
        self._meters.heard(kind, 1)
        if type_ is None or self._gaps.listing(kind):
            self._gaps.hear(Ref.of(kind, raw), listed=type_ is None)
        if kind not in OWN:
            self._take(kind, raw, deleted=type_ == "DELETED")
            return
        if type_ != "DELETED" and self._store.is_known(Ref.of(kind, raw), version_of(raw)):
            return  # The store has this version, such as of a status that the operator wrote: the event changes nothing.
        self._waiting.append((kind, type_, raw))
        if self._judging is None or self._judging.done():
            self._judging = asyncio.get_running_loop().create_task(self._take_waiting())

    async def _take_waiting(self) -> None:
        """Take events of Daulat's own kinds in, once it is known that the API server itself sent them."""
        pauses = _pauses()
        while self._waiting:
            before = self._registered
            batch, self._waiting = self._waiting, []
            now = await self._look()
            if now is None:
                self._waiting = [*batch, *self._waiting]
                await asyncio.sleep(next(pauses))
            elif now == before and not now.led_away and not self.registered_anew.is_set():
                for kind, type_, raw in batch:
                    self._take(kind, raw, deleted=type_ == "DELETED")
            # Otherwise they are dropped: what is true of them comes with the lists that follow.

    def stalled(self) -> list[str]:
        """Return the kinds whose watch delivers nothing."""
        return sorted(kind for kind, times in self._silent.items() if times >= STALLED)

    def unlisted(self) -> list[str]:
        """Return the kinds that couldn't be listed yet."""
        return [resource.kind for resource in self._resources if resource.kind not in self._listed]

    async def _look(self) -> Registrations | None:
        """Look who answers. None where that can't be found out."""
        try:
            found = await registrations(self._client)
        except RequestError as error:
            log.warning("could not list APIServices", extra={"error": str(error)[:200]})
            return None
        self.answered = time.monotonic()
        before, self._registered = self._registered, found
        if before is not None and before != found:
            log.warning("APIServices changed", extra={"leading_away": sorted(found.led_away.values())})
            self.registered_anew.set()
        self._record_untrusted()
        return found

    def _record_untrusted(self) -> None:
        led_away = dict(self._registered.led_away) if self._registered else {}
        replaced = {GROUP: "; ".join(v for _, v in sorted(self._replaced.items()))} if self._replaced else {}
        if (change := self._store.record_untrusted({**replaced, **led_away})) is not None:
            self._changed(change)

    def _compare(self, kind: str, known: str, uid: str) -> None:
        """Note where a kind has no objects and another definition than the one known."""
        if known and uid and uid != known and kind not in LOSES_NOTHING:
            self.definitions[kind] = known
            self._replaced[kind] = (
                f"the CustomResourceDefinition of {kind} was created again, and every {kind} is gone with the one before"
            )

    def _take(self, kind: str, raw: dict[str, Any], *, deleted: bool = False) -> bool:
        try:
            change = self._store.delete(kind, raw) if deleted else self._store.apply(kind, raw)
        except Exception as error:  # noqa: BLE001 - logged, with where it happened and without the object's body
            log.error("could not read an object", extra={"object": str(Ref.of(kind, raw)), **trace(error)})
            return False
        if change is not None:
            self._changed(change)
        return change is not None

    async def _discover(self) -> Capabilities | None:
        try:
            return await discover(self._client, self._pin)
        except RequestError as error:
            log.warning("could not discover what the API server offers", extra={"error": str(error)[:200]})
            return None

    async def _until_listed(self, resource: Resource) -> None:
        for pause in _pauses():
            await asyncio.sleep(pause)
            if await self._list(resource):
                if self.synced.is_set():
                    self._listed_late()
                return

    async def _list(self, resource: Resource, heard: int | None = None) -> bool:
        """List a kind. After the start, ``heard`` says how many events there were since the list before."""
        kind = resource.kind
        before = await self._look()
        if before is None:
            return self._failed(kind, "it isn't known whether the API server serves it itself")
        if resource.group in before.led_away:
            return self._failed(kind, before.led_away[resource.group])
        listed: set[Ref] = set()
        news, version = 0, 0
        try:
            pages = self._own_pages(resource, before) if kind in OWN else self._pages(resource)
            async for items, at in pages:
                # The first page tells the version: what comes later isn't in the list, and isn't gone either.
                version = version or at
                for number, item in enumerate(items, 1):
                    ref = Ref(kind, item.namespace, item.name)
                    listed.add(ref)
                    # Most of what a periodic list brings is known already, and isn't even read.
                    if not self._store.is_known(ref, item.version):
                        news += self._take(kind, item.read())
                    if number % STEP == 0:
                        await asyncio.sleep(0)
        except NotFound:
            if resource.optional:
                self._tell(self._store.record_served(kind, served=False))
                self._done(kind)
                return True
            missing = "the API server doesn't serve it"
            return self._failed(kind, f"{missing}: {APPLY_DEFINITIONS}" if kind in OWN else missing)
        except RequestError as error:
            if isinstance(error, ApiError) and error.retry_after:
                await asyncio.sleep(min(error.retry_after, LAST_PAUSE))
            self._failed_lists[kind] += 1
            if isinstance(error, Rejected) or self._failed_lists[kind] >= OVERDUE:
                self._refuse(kind)
            return self._failed(kind, str(error)[:200])
        self._tell(self._store.record_served(kind, served=True))
        gone = self._store.retain(kind, listed, version)
        self._tell(gone)
        self._done(kind)
        if heard is not None:
            self._meters.missed(kind, news + len(gone))
            self._silent[kind] = self._silent[kind] + 1 if news + len(gone) and not heard else 0
        return True

    def _pages(self, resource: Resource) -> AsyncIterator[tuple[Sequence[Listed], int]]:
        return self._client.unread_pages(resource.on(self._store.capabilities))

    async def _own_pages(
        self, resource: Resource, before: Registrations
    ) -> AsyncIterator[tuple[Sequence[Listed], int]]:
        """Yield the pages of one of Daulat's own kinds, once all are read and known to be true. Raises RequestError."""
        kind = resource.kind
        pages = [page async for page in self._pages(resource)]
        found = await self._define(resource)
        if not any(items for items, _ in pages) and kind not in self._empty:
            pages = [page async for page in self._pages(resource)]
        if await self._look() != before:
            raise NoAnswer("APIServices changed while it was listed")
        if any(items for items, _ in pages):
            self._empty.discard(kind)
            self._replaced.pop(kind, None)
        else:
            self._empty.add(kind)
            self._compare(kind, self.definitions.get(kind, ""), found.uid)
        self._record_untrusted()
        if kind in self._replaced:
            raise NoAnswer(self._replaced[kind])
        if found.uid:
            self.definitions[kind] = found.uid
        for page in pages:
            yield page

    async def _define(self, resource: Resource) -> Definition:
        """Return the definition of one of Daulat's own kinds, and note how it differs from this release's. Raises RequestError."""
        kind = resource.kind
        found = await definition(self._client, kind, resource.plural, resource.group)
        if (change := self._store.record_definition(kind, found)) is not None:
            if found.missing or found.unknown:
                differs = {"missing": sorted(found.missing), "unknown": sorted(found.unknown)}
                log.error(
                    "CustomResourceDefinition is of another release",
                    extra={"kind": kind, **differs, "do": APPLY_DEFINITIONS},
                )
            else:
                log.info("CustomResourceDefinition is of this release", extra={"kind": kind})
            self._changed(change)
        return found

    def _tell(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._changed(change)

    def _refuse(self, kind: str) -> None:
        """Note that waiting alone brings no list of a kind."""
        if kind in self._refused:
            return
        self._refused.add(kind)
        self._record_unlisted()
        if kind not in self._listed and self.synced.is_set():
            self._listed_late()

    def _done(self, kind: str) -> None:
        self.failures.pop(kind, None)
        self._refused.discard(kind)
        del self._failed_lists[kind]
        if kind not in self._listed:
            self._listed.add(kind)
            self._record_unlisted()

    def _record_unlisted(self) -> None:
        self._store.record_unlisted(frozenset(self.unlisted()), frozenset(self._refused))

    def _failed(self, kind: str, why: str) -> bool:
        self.failures[kind] = why
        self._meters.failed(kind, 1)
        log.warning("could not list", extra={"kind": kind, "error": why})
        return False
