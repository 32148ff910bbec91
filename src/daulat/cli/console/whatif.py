"""Simulates the changes that readers choose: one at a time, in a process of its own, each for a limited time."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from multiprocessing import get_context
from multiprocessing.connection import Connection

from aiohttp import web

from daulat.console.site import Site
from daulat.console.whatif import Answer, Choice, State, TooLong, WhatIf, work_out
from daulat.simulate.run import Progress
from daulat.simulate.world import Cluster

from ..cluster import Reader
from ..simulation import Incomplete, read_cluster
from .expiring import Expiring
from .latest import Latest

log = logging.getLogger("daulat.console")

LIMIT = 120.0
"""Seconds that a simulation may take. One of 5,000 nodes takes about ten."""
PATIENCE = 5.0
"""Seconds that a request waits for an outcome. After that, its page has a link to itself."""
WAITING = 8
"""Simulations that run or wait. Each reader has one of them at most."""
LASTS = 60.0
"""Seconds for which an outcome is shown again. Its page says how old its facts are."""
KEPT = 64
"""Outcomes that are kept."""
STATUS = {
    State.RUNNING: HTTPStatus.ACCEPTED,
    State.OTHER: HTTPStatus.TOO_MANY_REQUESTS,
    State.BUSY: HTTPStatus.TOO_MANY_REQUESTS,
    State.LONG: HTTPStatus.SERVICE_UNAVAILABLE,
    State.UNREADABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    State.FORBIDDEN: HTTPStatus.FORBIDDEN,
    State.UNREAD: HTTPStatus.FORBIDDEN,
    State.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The status of an answer that isn't 200."""
Facts = Cluster | Incomplete
# A fork of a process with threads may stand still.
_SPAWN = get_context("spawn")
_POLL = 0.1
"""Seconds between two looks at whether a simulation has to end."""


def work_apart(choice: Choice, cluster: Cluster, check: Progress) -> Answer:
    """Return what a change does, worked out in a process of its own.

    It takes none of the server's time, gives its memory back, and can be ended at any moment. ``check`` is called in between, and
    may raise TooLong. Raises EOFError where the process ends without an answer.
    """
    receiving, sending = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_send, args=(sending, choice, cluster), daemon=True)
    process.start()
    sending.close()
    try:
        while not receiving.poll(_POLL):
            check(0, 0.0)
        found: Answer = receiving.recv()
    except TooLong as error:
        return Answer(State.LONG, cluster.now, why=str(error))
    finally:
        process.kill()
        process.join()
        receiving.close()
    return found


def _send(sending: Connection, choice: Choice, cluster: Cluster) -> None:
    # Ctrl-C ends the server, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # The facts stay until the end.
    sending.send(work_out(choice, cluster, lambda passes, virtual: None))


class Simulations:
    """Works out what changes do, from the facts of the last reading. A cluster is only read where a page needs it."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Facts]],
        refresh: float,
        *,
        limit: float = LIMIT,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        work: Callable[[Choice, Cluster, Progress], Answer] = work_apart,
    ) -> None:
        """Take how the facts are read, and the seconds after which they are read anew."""
        self._latest: Latest[Facts] = Latest(read, refresh, clock)
        self._limit, self._patience, self._clock, self._work = limit, patience, clock, work
        self._done: Expiring[Answer] = Expiring(LASTS, KEPT, clock)
        self._under_way: dict[str, asyncio.Task[Answer]] = {}
        self._of: dict[str, Choice] = {}
        self._slot = asyncio.Semaphore(1)
        self._closed = False

    async def answer(self, choice: Choice, reader: str) -> Answer:
        """Return what is known of a change, and have it worked out where nothing is. ``reader`` names who requests it."""
        known = self._done.get(choice.path)
        if known is not None:
            return known
        task = self._under_way.get(choice.path)
        if task is None:
            if reader in self._of:
                return Answer(State.OTHER, other=self._of[reader])
            if len(self._under_way) >= WAITING:
                return Answer(State.BUSY)
            self._of[reader] = choice
            task = self._under_way[choice.path] = asyncio.create_task(self._run(choice, reader))
        await asyncio.wait({task}, timeout=self._patience)
        return task.result() if task.done() else Answer(State.RUNNING)

    def close(self) -> None:
        """End the simulation that runs."""
        self._closed = True
        for task in self._under_way.values():
            task.cancel()

    async def _run(self, choice: Choice, reader: str) -> Answer:
        try:
            async with self._slot:
                found = await self._worked_out(choice)
        except Exception:
            log.exception("a simulation failed")
            found = Answer(State.FAILED)
        finally:
            del self._under_way[choice.path], self._of[reader]
        if found.state is not State.UNREADABLE:
            self._done.put(choice.path, found)
        return found

    async def _worked_out(self, choice: Choice) -> Answer:
        facts, problem = await self._latest.get()
        if facts is None:
            return Answer(State.UNREADABLE, why=problem)
        if isinstance(facts, Incomplete):
            return unread(facts)
        check = deadline(self._limit, self._clock, lambda: self._closed)
        return await asyncio.to_thread(self._work, choice, facts, check)


def deadline(
    limit: float, clock: Callable[[], float] = time.monotonic, closed: Callable[[], bool] = lambda: False
) -> Progress:
    """Return what a simulation calls in between: it raises TooLong once so many seconds have passed since now."""
    until = clock() + limit

    def check(passes: int, virtual: float) -> None:
        if closed() or clock() > until:
            raise TooLong(f"it took longer than {limit:.0f} s; daulat simulate has no such limit")

    return check


def unread(facts: Incomplete) -> Answer:
    """Return the answer where kinds couldn't be read."""
    return Answer(State.UNREAD, kinds=facts.unread)


async def facts(reader: Reader, operator_namespace: str) -> Facts:
    """Return the facts of a cluster, or why they are incomplete. Raises RequestError and ClusterUnreadable."""
    try:
        return await read_cluster(reader, operator_namespace)
    except Incomplete as error:
        return error


def in_advance(
    choices: Iterable[Choice], found: Facts, report: Callable[[int, str], None], limit: float = LIMIT
) -> WhatIf:
    """Return what some changes do, for pages that are kept. ``report`` gets how many are done."""
    if isinstance(found, Incomplete):
        return WhatIf(refused=unread(found))
    answers: dict[str, Answer] = {}
    for choice in choices:
        report(len(answers), choice.name)
        answers[choice.path] = work_out(choice, found, deadline(limit))
    return WhatIf(answers=answers)


async def requested(
    request: web.Request, site: Site, path: str, simulations: Simulations, reader: str
) -> Answer | None:
    """Return what is known of the change that a page shows; None where it shows none. A page of another site starts nothing."""
    choice = site.choice(path)
    if choice is None:
        return None
    return Answer(State.LINKED) if from_elsewhere(request) else await simulations.answer(choice, reader)


def status_of(found: Answer | None) -> int:
    """Return the status of a page with an answer."""
    return STATUS.get(found.state, HTTPStatus.OK) if found is not None else HTTPStatus.OK


def from_elsewhere(request: web.Request) -> bool:
    """Say whether a page of another site sent a request. Clients that are no browsers don't send this header."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
