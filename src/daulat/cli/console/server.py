"""Serves the pages on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from daulat.console.site import POLICY, STYLE, Reading, Site, style

from .latest import Latest
from .whatif import Simulations, requested, status_of

READER = "local"
"""Who reads the pages of this machine: one reader at a time has a simulation."""
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def application(
    latest: Latest[Site],
    simulations: Simulations,
    hosts: Callable[[], frozenset[str]],
    now: Callable[[], float] = time.time,
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
        path = first_page(request)
        # Proofs are made of files that are read for them.
        file = await asyncio.to_thread(site.file, path)
        if file is not None:
            return attached(file)
        known = await requested(request, site, path, simulations, READER)
        reading = Reading(now(), problem)
        found = await asyncio.to_thread(site.render, path, reading, known)
        return answer(status_of(known), found) if found is not None else answer(404, site.missing(path, reading))

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
    latest: Latest[Site],
    simulations: Simulations,
    host: str,
    port: int,
    hosts: Callable[[int], frozenset[str]],
    listening: Callable[[int], None],
) -> None:
    """Serve until cancelled. ``listening`` gets the port once the server listens. Raises OSError where it can't."""
    taken = port
    # A page can hold what a browser, or its extensions, shouldn't see in a log either.
    runner = web.AppRunner(application(latest, simulations, lambda: hosts(taken)), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        taken = int(runner.addresses[0][1])
        listening(taken)
        await asyncio.Event().wait()
    finally:
        simulations.close()
        await runner.cleanup()
