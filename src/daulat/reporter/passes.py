"""One pass: reads what policies are compiled from, judges each governed namespace, and has its report written.

It holds one page of objects at a time. An API server that fails ends the pass, and nothing is removed then; what can't be read for
want of rights becomes an error in the report.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Collection, Sequence

from daulat.api.kinds import Manifest
from daulat.catalog.kubernetes import Capabilities
from daulat.facts.snapshot import Snapshot
from daulat.facts.store import Store
from daulat.kube.client import PAGE, Client
from daulat.kube.errors import ApiError, Gone, NotFound, Rejected, TooManyRequests
from daulat.kube.reported import FACTS, JUDGED, OF_SERVICES, SERVICES
from daulat.kube.resources import Resource
from daulat.mirror.discovery import discover
from daulat.reports.document import report
from daulat.reports.judging import Judge
from daulat.reports.result import ORDER, Outcome
from daulat.reports.standing import standing
from daulat.reports.tally import LIMIT, Tally
from daulat.reports.writers import kept

from . import metrics
from .pace import Pace
from .shelf import Shelf

log = logging.getLogger("daulat.reporter")

CHUNK = 20
"""Objects that are judged at a time, on a thread of their own, so that probes are answered and the Lease is renewed."""
PAGES = {"ConfigMap": 50}
"""Objects in a page of a list where they are fewer than elsewhere: a ConfigMap has up to 1 MiB."""
TRIES = 3
"""How often a namespace is begun where the API server drops a list that takes too long, or has too many requests."""


class Passes:
    """Makes passes over one cluster."""

    def __init__(self, client: Client, operator_namespace: str, pace: Pace, limit: int = LIMIT) -> None:
        self._client, self._operator_namespace, self._pace, self._limit = client, operator_namespace, pace, limit
        self._shelf = Shelf(client, pace)
        self._unserved: set[str] = set()
        self._idle = False

    async def make(self) -> bool:
        """Make one pass. Return whether there was an API of reports to write to. Raises RequestError."""
        started = time.monotonic()
        served = await self._shelf.served()
        if not served:
            if not self._idle:
                log.warning("no reports are written: neither openreports.io nor wgpolicyk8s.io is served")
            self._idle = True
            return False
        self._idle = False
        api, *others = served
        capabilities = await discover(self._client)
        snapshot, raw = await self._facts(capabilities)
        judge = await asyncio.to_thread(Judge, snapshot, time.time())
        self._unserved = set()
        total: Counter[Outcome] = Counter()
        for namespace in judge.namespaces:
            tally = await self._tally(judge, namespace, capabilities, raw.get(namespace))
            total += tally.counts
            uid = snapshot.namespaces[namespace].uid
            await self._shelf.put(api.of_namespace, report(api.of_namespace, tally, namespace, uid))
        whole = Tally(self._limit)
        for result in (*judge.problems, *standing(snapshot)):
            whole.add(result)
        total += whole.counts
        await self._shelf.put(api.of_cluster, report(api.of_cluster, whole))
        # A policy that can't be read may govern anything, so no report is known to be stale.
        if not judge.problems:
            await self._shelf.sweep(api, frozenset(judge.namespaces), cluster=True)
            for other in others:
                await self._shelf.sweep(other, frozenset(), cluster=False)
        for outcome in ORDER:
            metrics.RESULTS.labels(str(outcome)).set(total[outcome])
        metrics.SECONDS.set(time.monotonic() - started)
        metrics.LAST.set_to_current_time()
        return True

    async def _facts(self, capabilities: Capabilities) -> tuple[Snapshot, dict[str, Manifest]]:
        """Return the facts that policies are compiled from, and the raw namespaces, which controls may read."""
        store = Store(self._operator_namespace)
        store.record_capabilities(capabilities)
        raw: dict[str, Manifest] = {}
        for resource in FACTS:
            async for items, _ in self._client.pages(resource.on(capabilities)):
                await self._pace.spend()
                for item in items:
                    store.apply(resource.kind, item)
                    if resource.kind == "Namespace":
                        raw[str(item["metadata"]["name"])] = {"apiVersion": "v1", "kind": "Namespace", **item}
        return store.snapshot(), raw

    async def _tally(self, judge: Judge, namespace: str, capabilities: Capabilities, of: Manifest | None) -> Tally:
        for last in (False,) * (TRIES - 1) + (True,):
            tally = Tally(self._limit)
            try:
                for resource in JUDGED:
                    if resource.kind not in self._unserved and judge.judges(resource, namespace):
                        await self._judge(judge, resource.on(capabilities), namespace, of, tally, last=last)
            except (Gone, TooManyRequests) as error:
                if last:
                    raise
                await asyncio.sleep(error.retry_after or 1)
            else:
                return tally
        raise AssertionError("the last try returns or raises")

    async def _judge(
        self, judge: Judge, resource: Resource, namespace: str, of: Manifest | None, tally: Tally, *, last: bool
    ) -> None:
        try:
            size = PAGES.get(resource.kind, PAGE)
            selecting = await self._selecting(namespace) if resource.kind in OF_SERVICES else ()
            async for page, _ in self._client.pages(resource, namespace, size=size):
                await self._pace.spend()
                items = [item for item in page if not kept(item, resource, selecting)]
                for n in range(0, len(items), CHUNK):
                    chunk = items[n : n + CHUNK]
                    await self._pace.spend(len(chunk))
                    await asyncio.to_thread(_judged, judge, chunk, resource, namespace, of, tally)
                metrics.JUDGED.labels(resource.kind).inc(len(items))
        except NotFound:
            # The kind isn't served. A namespace that is gone has an empty list.
            self._unserved.add(resource.kind)
        except ApiError as error:
            if not (isinstance(error, Rejected) or (last and isinstance(error, Gone))):
                raise
            for result in judge.unread(resource, namespace, error.message):
                tally.add(result)

    async def _selecting(self, namespace: str) -> Collection[str]:
        """Return the names of a namespace's Services with a selector."""
        found: set[str] = set()
        async for items, _ in self._client.pages(SERVICES, namespace):
            await self._pace.spend()
            found |= {str(item["metadata"]["name"]) for item in items if (item.get("spec") or {}).get("selector")}
        return found


def _judged(
    judge: Judge, items: Sequence[Manifest], resource: Resource, namespace: str, of: Manifest | None, tally: Tally
) -> None:
    for item in items:
        try:
            found = list(judge.judge(item, resource, namespace, of))
        except Exception as error:
            # One object of an unforeseen form must not keep the others from being reported.
            log.exception("an object couldn't be judged", extra={"namespace": namespace, "kind": resource.kind})
            found = list(judge.unjudged(item, resource, namespace, type(error).__name__))
        for result in found:
            if result is None:
                tally.passed()
            else:
                tally.add(result)
