"""Deletions go through one queue: each object is in it once, and one that can't be deleted is tried again later each time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from daulat.kube.errors import RequestError, api_error
from daulat.kube.ref import Ref
from daulat.operator.evictor import Evictor
from daulat.operator.queue import BASE
from daulat.reconcile.result import Delete

KEY = Ref("SovereigntyPolicy", "", "confidential")
POD = Delete(Ref("Pod", "treasury", "p"), "uid-of-p", charged_to=("confidential",), pods=1)
BROKEN = api_error(500, "InternalError", "failed calling webhook")
BUSY = api_error(429, "TooManyRequests", "later", retry_after=7.0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 30))


class Cluster:
    """Answers deletions with errors, one after the other, and then carries them out."""

    def __init__(self, *errors: RequestError) -> None:
        self.errors, self.deleted, self.tries = list(errors), list[str](), 0
        self.pauses: list[float] = []
        self.evictor = Evictor(self._delete, lambda key, effect, pause: self.pauses.append(pause))

    async def _delete(self, effect: Delete) -> None:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        self.deleted.append(effect.uid)

    async def __aenter__(self) -> Cluster:
        self._task = asyncio.create_task(self.evictor.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def test_a_deletion_that_failed_waits_for_its_time_however_often_it_is_wanted() -> None:
    async def scenario() -> None:
        async with Cluster(BROKEN) as cluster:
            first = await cluster.evictor.submit(KEY, POD)
            assert "failed calling webhook" in first
            assert [await cluster.evictor.submit(KEY, POD) for _ in range(5)] == [first] * 5
            assert (cluster.tries, cluster.pauses) == (1, [BASE])
            await asyncio.sleep(BASE)
            assert await cluster.evictor.submit(KEY, POD) == ""
            assert cluster.deleted == [POD.uid]

    run(scenario)


def test_it_is_tried_again_later_each_time() -> None:
    async def scenario() -> None:
        async with Cluster(BROKEN, BROKEN) as cluster:
            await cluster.evictor.submit(KEY, POD)
            await asyncio.sleep(BASE)
            await cluster.evictor.submit(KEY, POD)
            assert cluster.pauses == [BASE, 2 * BASE]

    run(scenario)


def test_it_isnt_tried_before_the_api_server_wants_to_be_asked_again() -> None:
    async def scenario() -> None:
        async with Cluster(BUSY) as cluster:
            await cluster.evictor.submit(KEY, POD)
            assert cluster.pauses == [7.0]

    run(scenario)


def test_an_error_is_told_until_the_deletion_succeeds() -> None:
    async def scenario() -> None:
        async with Cluster(BROKEN) as cluster:
            error = await cluster.evictor.submit(KEY, POD)
            assert cluster.evictor.errors(KEY, [POD]) == {POD.uid: error}
            assert cluster.evictor.errors(KEY, [POD]) == {POD.uid: error}
            await asyncio.sleep(BASE)
            await cluster.evictor.submit(KEY, POD)
            assert cluster.evictor.errors(KEY, [POD]) == {}

    run(scenario)


def test_an_error_is_forgotten_with_the_wish_to_delete() -> None:
    async def scenario() -> None:
        async with Cluster(BROKEN) as cluster:
            await cluster.evictor.submit(KEY, POD)
            assert cluster.evictor.errors(KEY, []) == {}
            assert cluster.evictor.errors(KEY, [POD]) == {}
            assert await cluster.evictor.submit(KEY, POD) == ""

    run(scenario)
