"""Serves the pages on this machine. Facts are read anew when a page is asked for and they are older than the interval."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from aiohttp import web

from daulat.console.site import POLICY, STYLE, Reading, Site, style
from daulat.kube.errors import RequestError

from ..cluster import ClusterUnreadable, sentence

SHARE = 4
"""How many times as long as a read took the next one waits at least, so that a large cluster isn't read all the time."""
PATIENCE = 1.0
"""Seconds that a request waits for newer facts, where there are some already."""
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
F = TypeVar("F")


class Latest(Generic[F]):
    """What the last reading that succeeded gave, and why there is no later one."""

    def __init__(
        self, read: Callable[[], Awaitable[F]], interval: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._interval, self._clock = read, interval, clock
        self._found: F | None = None
        self._problem, self._due = "", float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def get(self, patience: float = PATIENCE) -> tuple[F | None, str]:
        """Return what was read, anew where it is time, and the problem of the last read. Requests share one read.

        Where a read takes longer than ``patience`` seconds, what was read before is returned: pages say how old it is.
        """
        if self._reading is None and self._clock() >= self._due:
            self._reading = asyncio.create_task(self._refresh())
        reading = self._reading
        if reading is not None:
            await asyncio.wait({reading}, timeout=None if self._found is None else patience)
            if reading.done():
                reading.result()  # Raises what isn't a problem of the cluster.
        return self._found, self._problem

    async def _refresh(self) -> None:
        began = self._clock()
        try:
            self._found, self._problem = await self._read(), ""
        except ClusterUnreadable as error:
            self._problem = str(error)
        except RequestError as error:
            self._problem = sentence(error)
        finally:
            ended = self._clock()
            self._due = ended + max(self._interval, SHARE * (ended - began))
            self._reading = None


def application(
    latest: Latest[Site], hosts: Callable[[], frozenset[str]], now: Callable[[], float] = time.time
) -> web.Application:
    """Return the server. ``hosts`` are the values of the Host header that are answered."""

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.headers.get("Host", "").lower() not in hosts():
            return answer(421, "This server answers requests for its own address only.\n", "text/plain")
        if request.method not in ("GET", "HEAD"):
            refused = answer(405, "The console only reads.\n", "text/plain")
            refused.headers["Allow"] = "GET, HEAD"
            return refused
        return await handler(request)

    async def page(request: web.Request) -> web.StreamResponse:
        if request.path == f"/{STYLE}":
            return answer(200, style(), "text/css")
        site, problem = await latest.get()
        if site is None:
            return answer(503, f"The cluster can't be read: {problem}\n", "text/plain")
        reading = Reading(now(), problem)
        path = first_page(request)
        # Proofs are made of files that are read for them.
        file = await asyncio.to_thread(site.file, path)
        if file is not None:
            return attached(file)
        found = await asyncio.to_thread(site.render, path, reading)
        return answer(200, found) if found is not None else answer(404, site.missing(path, reading))

    app = web.Application(middlewares=[guard])
    app.router.add_route("*", "/{path:.*}", page)
    return app


def first_page(request: web.Request) -> str:
    """Return the path of the page that a request is for, as the site has it."""
    path = request.path.removeprefix("/")
    return path + "index.html" if not path or path.endswith("/") else path


def answer(status: int, text: str, content_type: str = "text/html") -> web.Response:
    """Return an answer that isn't cached, and that other sites neither embed nor read."""
    return web.Response(status=status, text=text, content_type=content_type, charset="utf-8", headers=HEADERS)


def attached(file: bytes) -> web.Response:
    """Return an answer with a file of the log, as it is."""
    return web.Response(body=file, content_type="text/plain", charset="utf-8", headers=HEADERS)


async def serve(
    latest: Latest[Site], host: str, port: int, hosts: Callable[[int], frozenset[str]], listening: Callable[[int], None]
) -> None:
    """Serve until cancelled. ``listening`` gets the port once the server listens. Raises OSError where it can't."""
    taken = port
    # A page can hold what a browser, or its extensions, shouldn't see in a log either.
    runner = web.AppRunner(application(latest, lambda: hosts(taken)), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        taken = int(runner.addresses[0][1])
        listening(taken)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
