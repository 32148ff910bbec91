"""Runs a process's tasks until a signal, or until one of them ends: a fresh start is safer then."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

log = logging.getLogger("daulat.process")


async def until_stopped(
    tasks: Sequence[Coroutine[Any, Any, Any]],
    failures: Sequence[asyncio.Future[str]],
    cleanup: Sequence[Callable[[], Awaitable[None]]],
) -> int:
    """Run the tasks, then the clean-up in order. Return the exit status: 0 after a signal, 1 where anything else came first."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ended = asyncio.create_task(stop.wait())
    running = [asyncio.create_task(task) for task in tasks]
    everyone: list[asyncio.Future[Any]] = [ended, *failures, *running]
    done, _ = await asyncio.wait(everyone, return_when=asyncio.FIRST_COMPLETED)
    for task in [*running, ended]:
        task.cancel()
    await asyncio.gather(*running, ended, return_exceptions=True)
    for step in cleanup:
        await step()
    if ended in done:
        log.info("stopped")
        return 0
    reasons = [str(t.exception() or t.result()) for t in done]
    log.error("ended", extra={"why": "; ".join(reasons)})
    return 1


async def first_of(*tasks: Callable[[], Awaitable[Any]]) -> str:
    """Run these until one of them ends, then cancel the others; return why it ended."""
    running = [asyncio.ensure_future(task()) for task in tasks]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        ended = next((error for task in done if (error := task.exception()) is not None), None)
        return f"a worker ended: {ended!r}" if ended is not None else "the lease was lost"
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def default_identity() -> str:
    """Return a name for this replica: the pod's, or the machine's and the process's."""
    return os.environ.get("POD_NAME") or f"{os.uname().nodename}-{os.getpid()}"
