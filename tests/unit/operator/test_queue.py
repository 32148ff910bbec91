"""Keys come out once, when they are due, and later each time that they fail."""

from __future__ import annotations

import asyncio

import pytest

from daulat.kube.ref import Ref
from daulat.operator.queue import BASE, LIMIT, Queue

A, B = Ref("SovereignModel", "ns", "a"), Ref("SovereignModel", "ns", "b")


def test_a_key_that_is_asked_for_twice_comes_once() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.add(A)
        queue.add(A)
        queue.add(B)
        assert [await queue.get(), await queue.get()] == [A, B]
        assert queue.due() == 0

    asyncio.run(scenario())


def test_the_earlier_of_two_askings_counts() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.add(A, 3600)
        queue.add(A)
        assert await asyncio.wait_for(queue.get(), 1) == A
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 0.05)

    asyncio.run(scenario())


def test_a_key_asked_for_while_somebody_waits_wakes_them() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.add(B, 3600)
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add(A)
        assert await asyncio.wait_for(waiting, 1) == A

    asyncio.run(scenario())


def test_the_pause_doubles_with_each_failure_up_to_a_limit_and_is_forgotten_after_success() -> None:
    async def scenario() -> None:
        queue = Queue()
        pauses = [queue.failed(A) for _ in range(12)]
        assert pauses[:3] == [BASE, 2 * BASE, 4 * BASE]
        assert pauses[-1] == LIMIT
        queue.succeeded(A)
        assert queue.failed(A) == BASE

    asyncio.run(scenario())


def test_keys_that_wait_for_their_time_are_not_due() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.add(A, 3600)
        queue.add(B)
        assert queue.due() == 1

    asyncio.run(scenario())


def test_a_key_is_with_one_worker_at_a_time_and_comes_back_if_it_was_asked_for_meanwhile() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.add(A)
        assert await queue.get() == A
        queue.add(A)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.get(), 0.05)
        queue.done(A)
        assert await asyncio.wait_for(queue.get(), 1) == A
        queue.done(A)
        assert queue.due() == 0

    asyncio.run(scenario())


def test_a_worker_that_is_cancelled_as_a_key_falls_due_ends_and_takes_nothing_with_it() -> None:
    async def scenario() -> None:
        queue = Queue()
        queue.add(B, 3600)
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add(A)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 1)
        assert await asyncio.wait_for(queue.get(), 1) == A

    asyncio.run(scenario())
