"""Keeps the facts up to date: a full list, then the watches, and a full list now and then, which brings what a watch missed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.errors import NotFound, RequestError
from daulat.kube.ref import Ref
from daulat.kube.resources import WATCHED, Resource

from . import metrics
from .logs import trace

log = logging.getLogger("daulat.informer")

RESYNC = 300.0
"""Seconds between full lists."""
DEAF = 2
"""Full lists in a row that bring news of a kind whose watch said nothing, after which that watch counts as dead."""


class Informer:
    """The one writer of the facts that come from the cluster."""

    def __init__(self, client: Client, store: Store, changed: Callable[[Ref], None]) -> None:
        self._client, self._store, self._changed = client, store, changed
        self._heard: Counter[str] = Counter()
        self._deaf: Counter[str] = Counter()
        self.synced = asyncio.Event()

    async def sync(self) -> None:
        """List every kind in full, as often as it takes."""
        while not all([await self._list(resource) for resource in WATCHED]):
            await asyncio.sleep(1)
        self.synced.set()
        metrics.SYNCED.set(1)
        log.info("facts are synced")

    async def resync(self, done: Callable[[], None]) -> None:
        """List every kind now and then, for ever."""
        while True:
            await asyncio.sleep(RESYNC)
            await self.relist()
            done()

    async def relist(self) -> None:
        """List every kind once more, and note which watches said nothing of what that brought."""
        for resource in WATCHED:
            await self._list(resource, heard=self._heard.pop(resource.kind, 0))

    def take(self, kind: str, type_: str | None, raw: dict[str, Any]) -> None:
        """Take a watch event in. An object that trips a defect here is told by its name; the others go on."""
        self._heard[kind] += 1
        metrics.EVENTS.labels(kind).inc()
        try:
            changed = self._store.delete(kind, raw) if type_ == "DELETED" else self._store.apply(kind, raw)
        except Exception as error:  # noqa: BLE001 - told, with where it happened and without the object's body
            log.error("could not read an object", extra={"object": str(Ref.of(kind, raw)), **trace(error)})
            return
        if changed is not None:
            self._changed(changed)

    def deaf(self) -> list[str]:
        """Return the kinds whose watch is dead."""
        return sorted(kind for kind, times in self._deaf.items() if times >= DEAF)

    async def _list(self, resource: Resource, heard: int | None = None) -> bool:
        """List a kind. After the start, ``heard`` says how many events there were since the list before."""
        kind = resource.kind
        try:
            items, version = await self._client.list(resource)
        except RequestError as error:
            if resource.optional and isinstance(error, NotFound):
                self._store.record_served(kind, served=False)
                return True
            log.warning("could not list", extra={"kind": kind, "error": str(error)[:200]})
            return False
        self._store.record_served(kind, served=True)
        changed = self._store.replace(kind, items, version)
        if heard is not None:
            metrics.MISSED.labels(kind).inc(len(changed))
            self._deaf[kind] = self._deaf[kind] + 1 if changed and not heard else 0
        for ref in changed:
            self._changed(ref)
        return True
