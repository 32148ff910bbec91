"""Events come over to the loop in their order, all of them, and with few hand-overs."""

from __future__ import annotations

import asyncio
import threading

from daulat.mirror.inbox import BATCH, Inbox


def test_events_from_a_thread_are_taken_in_their_order_and_none_is_lost() -> None:
    async def scenario() -> None:
        taken: list[int] = []
        inbox = Inbox(asyncio.get_running_loop(), taken.append)
        number = 20 * BATCH

        def puts() -> None:
            for n in range(number):
                inbox.put(n)

        thread = threading.Thread(target=puts)
        thread.start()
        while len(taken) < number:
            await asyncio.sleep(0.001)
        thread.join()
        assert taken == list(range(number))

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_others_have_their_turn_between_batches() -> None:
    async def scenario() -> None:
        taken: list[int] = []
        inbox = Inbox(asyncio.get_running_loop(), taken.append)
        for n in range(3 * BATCH):
            inbox.put(n)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert 0 < len(taken) < 3 * BATCH

    asyncio.run(scenario())


def test_a_closed_inbox_drops_what_waits_and_what_comes() -> None:
    async def scenario() -> None:
        taken: list[int] = []
        inbox = Inbox(asyncio.get_running_loop(), taken.append)
        inbox.put(1)
        inbox.close()
        inbox.put(2)
        for _ in range(5):
            await asyncio.sleep(0)
        assert taken == []

    asyncio.run(scenario())
