"""Follows the cluster: lists, streams of events, and streams opened anew when the API server serves kinds in other versions."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from daulat.catalog.kubernetes import Pin
from daulat.facts.change import Change
from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.resources import WATCHED, Resource

from .feed import Feed
from .inbox import Inbox
from .informer import Informer, Meters

SOON, ENDINGS = 60.0, 5
"""Seconds after a restart within which watches end soon, and how often they may end so, one time after the other."""

log = logging.getLogger("daulat.mirror")


class Follower:
    """Keeps a store up to date, and hands on every change."""

    def __init__(
        self,
        client: Client,
        store: Store,
        changed: Callable[[Change], None],
        everything: Callable[[], None] = lambda: None,
        meters: Meters | None = None,
        pin: Pin | None = None,
        resources: Sequence[Resource] = WATCHED,
    ) -> None:
        """Take the sink of changes, and what is called when everything may differ: after full lists, and when a kind comes late.

        ``pin`` is what adds to the nodeSelector of pods, where an option says so; else the cluster shows it.
        """
        self._store, self._resources, self._everything = store, resources, everything
        self.informer = Informer(client, store, changed, meters, everything, pin, resources)
        self._feed: Feed | None = None
        self.failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the streams ended, once they did."""

    async def follow(self) -> None:
        """List everything, then follow, for ever."""
        await self.informer.sync()
        # The facts stay, and so does most of what is worked out from them: a search for cyclic garbage among all that, in a large
        # cluster, blocks the event loop for a third of a second and more.
        gc.freeze()
        await asyncio.gather(self._watch(), self.informer.poll(), self.informer.resync(self._listed))

    def _listed(self) -> None:
        # Among what has come since the last time alone: cycles that were frozen are never freed.
        gc.collect()
        gc.freeze()
        self._everything()

    def stop(self) -> None:
        """Close the streams."""
        if self._feed is not None:
            self._feed.stop()

    def not_alive(self) -> str:
        """Return why the process should be started anew; empty where there is no reason."""
        stalled = self.informer.stalled()
        return f"the watches of {', '.join(stalled)} deliver nothing" if stalled else ""

    def not_ready(self) -> str:
        """Return why the facts aren't complete or aren't believed; empty where they are."""
        # Kinds that clusters do without aren't waited for: a rollout of the operator would stop for them.
        if self.informer.synced.is_set():
            untrusted = self._store.snapshot().untrusted
            return "; ".join(why for _, why in sorted(untrusted.items()))
        why = self.informer.failures
        unlisted = (f"{kind} ({why[kind]})" if kind in why else kind for kind in self.informer.unlisted())
        return f"facts are not synced yet: {', '.join(unlisted)} couldn't be listed"

    async def _watch(self) -> None:
        """Watch every kind in the version in which it is served, and in another one when that changes, as by an upgrade.

        Watches that end by themselves, as when a kind is withdrawn, are restarted; not if they soon end again and again.
        """
        loop, endings = asyncio.get_running_loop(), 0
        while True:
            inbox, ended, began = Inbox(loop, self.informer.take), asyncio.Event(), loop.time()
            self._feed = Feed(inbox.put, partial(_call, loop, ended.set), self._store.capabilities, self._resources)
            self.informer.streams_begin()
            self._feed.start()
            reasons = [
                asyncio.ensure_future(self.informer.until_served_otherwise()),
                asyncio.ensure_future(self.informer.registered_anew.wait()),
                asyncio.ensure_future(ended.wait()),
            ]
            try:
                await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in reasons:
                    each.cancel()
            if ended.is_set():
                endings = endings + 1 if loop.time() - began < SOON else 1
                if endings > ENDINGS:
                    self._fail("the watches ended")
                    return
                log.warning("restarting watches, since they ended")
                await asyncio.sleep(endings)
            else:
                log.info("restarting watches, since kinds are served in other versions or by another server")
            await asyncio.to_thread(self._feed.stop)
            # What comes from here on is from streams that are opened from here on.
            inbox.close()
            self.informer.registered_anew.clear()
            await self.informer.relist()
            self._everything()

    def _fail(self, why: str) -> None:
        if not self.failure.done():
            self.failure.set_result(why)


def _call(loop: asyncio.AbstractEventLoop, function: Any, *args: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *args)
