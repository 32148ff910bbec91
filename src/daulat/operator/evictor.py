"""Carries deletions out that end something which runs: one queue for all policies and models, at a limited rate.

A policy that no longer accepts a zone may have thousands of pods to evict. Its pass doesn't wait for them: it hands them over, and
sees what became of them as changes, or in its report. Each object is in the queue once, by its uid, however often it is asked for.
One that can't be deleted is tried again, each time later, and not before the API server wants to be asked again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from daulat.kube.errors import ApiError, RequestError
from daulat.kube.ref import Ref
from daulat.reconcile.result import Delete

from . import metrics
from .queue import pause_after

log = logging.getLogger("daulat.evictor")

PER_SECOND = 20.0
"""Deletions that are begun in a second at most: what follows them, in kubelets, controllers and other pods, takes its time."""
AT_ONCE = 4
"""Deletions in flight: one that waits for a webhook of others doesn't hold up all."""


@dataclass(frozen=True)
class _Failure:
    """The last try to delete an object."""

    error: str
    count: int
    until: float
    """The time before which it isn't tried again, on the loop's clock."""


class Evictor:
    """The queue of deletions. Used from one event loop."""

    def __init__(
        self, delete: Callable[[Delete], Awaitable[None]], failed: Callable[[Ref, Delete, float], None]
    ) -> None:
        """Take the function that deletes, and one that is called where that failed, with the key, the deletion, and the seconds
        after which it may be tried again."""
        self._delete, self._failed = delete, failed
        self._waiting: asyncio.Queue[tuple[Ref, Delete, asyncio.Future[str]]] = asyncio.Queue()
        self._futures: dict[str, asyncio.Future[str]] = {}
        self._failures: dict[Ref, dict[str, _Failure]] = {}
        """By key and uid, until the object is deleted or isn't to be any more."""
        self._next = 0.0
        metrics.EVICTIONS_WAITING.set_function(self._waiting.qsize)

    def submit(self, key: Ref, effect: Delete) -> asyncio.Future[str]:
        """Queue a deletion. The future's result is why it failed, or empty once it is carried out."""
        known = self._futures.get(effect.uid)
        if known is None:
            loop = asyncio.get_running_loop()
            known = loop.create_future()
            failure = self._failures.get(key, {}).get(effect.uid)
            if failure is not None and loop.time() < failure.until:
                known.set_result(failure.error)
            else:
                self._futures[effect.uid] = known
                self._waiting.put_nowait((key, effect, known))
        return known

    def errors(self, key: Ref, wanted: Sequence[Delete]) -> dict[str, str]:
        """Return why deletions that the key still wants failed when they were tried last, by uid. Forget all others of the key."""
        uids = {effect.uid for effect in wanted}
        kept = {uid: failure for uid, failure in self._failures.pop(key, {}).items() if uid in uids}
        if kept:
            self._failures[key] = kept
        return {uid: failure.error for uid, failure in kept.items()}

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
        self._failures.clear()

    async def _work(self) -> None:
        while True:
            key, effect, future = await self._waiting.get()
            await self._pace()
            error, after = "", 0.0
            try:
                await self._delete(effect)
            except RequestError as failure:
                error = f"{effect.ref} can't be deleted: {failure}"
                after = (failure.retry_after if isinstance(failure, ApiError) else None) or 0.0
                log.warning("could not delete", extra={"object": str(effect.ref), "error": str(failure)[:300]})
            except Exception as failure:  # noqa: BLE001 - one deletion that trips a defect must not stop the others
                error = f"{effect.ref} can't be deleted: {type(failure).__name__}"
            finally:
                self._futures.pop(effect.uid, None)
            if error:
                self._remember(key, effect, error, after)
            else:
                self._failures.get(key, {}).pop(effect.uid, None)
            if not future.done():
                future.set_result(error)

    def _remember(self, key: Ref, effect: Delete, error: str, after: float) -> None:
        own = self._failures.setdefault(key, {})
        count = own[effect.uid].count + 1 if effect.uid in own else 1
        pause = max(pause_after(count), after)
        own[effect.uid] = _Failure(error, count, asyncio.get_running_loop().time() + pause)
        self._failed(key, effect, pause)

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        at = max(self._next, loop.time())
        self._next = at + 1 / PER_SECOND
        await asyncio.sleep(at - loop.time())
