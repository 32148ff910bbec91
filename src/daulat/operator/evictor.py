"""Carries deletions out that end something which runs: one queue for all policies and models, at a limited rate.

A policy that no longer accepts a zone may have thousands of pods to evict. Its pass doesn't wait for them: it hands them over, and
sees what became of them as changes, or in its report. Each object is in the queue once, by its uid, however often it is asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from daulat.kube.errors import RequestError
from daulat.kube.ref import Ref
from daulat.reconcile.result import Delete

from . import metrics

log = logging.getLogger("daulat.evictor")

PER_SECOND = 20.0
"""Deletions that are begun in a second at most: what follows them, in kubelets, controllers and other pods, takes its time."""
AT_ONCE = 4
"""Deletions in flight: one that waits for a webhook of others doesn't hold up all."""


class Evictor:
    """The queue of deletions. Used from one event loop."""

    def __init__(self, delete: Callable[[Delete], Awaitable[None]], failed: Callable[[Ref, Delete, str], None]) -> None:
        """Take the function that deletes, and one that is told the key, the deletion and the error where that failed."""
        self._delete, self._failed = delete, failed
        self._waiting: asyncio.Queue[tuple[Ref, Delete, asyncio.Future[str]]] = asyncio.Queue()
        self._futures: dict[str, asyncio.Future[str]] = {}
        self._next = 0.0
        metrics.EVICTIONS_WAITING.set_function(self._waiting.qsize)

    def submit(self, key: Ref, effect: Delete) -> asyncio.Future[str]:
        """Queue a deletion. The future's result is why it failed, or empty once it is carried out."""
        known = self._futures.get(effect.uid)
        if known is None:
            known = self._futures[effect.uid] = asyncio.get_running_loop().create_future()
            self._waiting.put_nowait((key, effect, known))
        return known

    async def run(self) -> None:
        """Carry deletions out, for ever."""
        await asyncio.gather(*(self._work() for _ in range(AT_ONCE)))

    def clear(self) -> None:
        """Forget everything that isn't carried out, as this replica doesn't lead any more."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        for future in self._futures.values():
            future.cancel()
        self._futures.clear()

    async def _work(self) -> None:
        while True:
            key, effect, future = await self._waiting.get()
            await self._pace()
            error = ""
            try:
                await self._delete(effect)
            except RequestError as failure:
                error = f"{effect.ref} can't be deleted: {failure}"
                log.warning("could not delete", extra={"object": str(effect.ref), "error": str(failure)[:300]})
                self._failed(key, effect, error)
            except Exception as failure:  # noqa: BLE001 - one deletion that trips a defect must not stop the others
                error = f"{effect.ref} can't be deleted: {type(failure).__name__}"
                self._failed(key, effect, error)
            finally:
                self._futures.pop(effect.uid, None)
                if not future.done():
                    future.set_result(error)

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        at = max(self._next, loop.time())
        self._next = at + 1 / PER_SECOND
        await asyncio.sleep(at - loop.time())
