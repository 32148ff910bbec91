"""Serves the pages on this machine. Facts are read anew when a page is asked for and they are older than the interval."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from daulat.console.site import CHECKPOINT, POLICY, STYLE, Reading, Site, style
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
Read = Callable[[], Awaitable[Site]]


class Latest:
    """The pages of the last reading that succeeded, and why there is no later one."""

    def __init__(self, read: Read, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._interval, self._clock = read, interval, clock
        self._site: Site | None = None
        self._problem, self._due = "", float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def get(self, patience: float = PATIENCE) -> tuple[Site | None, str]:
        """Return the pages, read anew where it is time, and the problem of the last read. Requests share one read.

        Where a read takes longer than ``patience`` seconds, the last pages are returned: they say how old they are.
        """
        if self._reading is None and self._clock() >= self._due:
            self._reading = asyncio.create_task(self._refresh())
        reading = self._reading
        if reading is not None:
            await asyncio.wait({reading}, timeout=None if self._site is None else patience)
            if reading.done():
                reading.result()  # Raises what isn't a problem of the cluster.
        return self._site, self._problem

    async def _refresh(self) -> None:
        began = self._clock()
        try:
            self._site, self._problem = await self._read(), ""
        except ClusterUnreadable as error:
            self._problem = str(error)
        except RequestError as error:
            self._problem = sentence(error)
        finally:
            ended = self._clock()
            self._due = ended + max(self._interval, SHARE * (ended - began))
            self._reading = None


def application(
    latest: Latest, hosts: Callable[[], frozenset[str]], now: Callable[[], float] = time.time
) -> web.Application:
    """Return the server. ``hosts`` are the values of the Host header that are answered."""

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.headers.get("Host", "").lower() not in hosts():
            return _answer(421, "This server answers requests for its own address only.\n", "text/plain")
        if request.method not in ("GET", "HEAD"):
            answer = _answer(405, "The console only reads.\n", "text/plain")
            answer.headers["Allow"] = "GET, HEAD"
            return answer
        return await handler(request)

    async def page(request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/")
        if path == STYLE:
            return _answer(200, style(), "text/css")
        site, problem = await latest.get()
        if site is None:
            return _answer(503, f"The cluster can't be read: {problem}\n", "text/plain")
        if path == CHECKPOINT and site.checkpoint is not None:
            return web.Response(body=site.checkpoint, content_type="text/plain", charset="utf-8", headers=HEADERS)
        reading = Reading(now(), problem)
        path += "index.html" if not path or path.endswith("/") else ""
        found = site.render(path, reading)
        return _answer(200, found) if found is not None else _answer(404, site.missing(path, reading))

    app = web.Application(middlewares=[guard])
    app.router.add_route("*", "/{path:.*}", page)
    return app


def _answer(status: int, text: str, content_type: str = "text/html") -> web.Response:
    return web.Response(status=status, text=text, content_type=content_type, charset="utf-8", headers=HEADERS)


async def serve(
    latest: Latest, host: str, port: int, hosts: Callable[[int], frozenset[str]], told: Callable[[int], None]
) -> None:
    """Serve until cancelled. ``told`` gets the port once the server listens. Raises OSError where it can't."""
    taken = port
    # A page can hold what a browser, or its extensions, shouldn't see in a log either.
    runner = web.AppRunner(application(latest, lambda: hosts(taken)), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        taken = int(runner.addresses[0][1])
        told(taken)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
