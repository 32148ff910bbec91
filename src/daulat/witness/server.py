"""Serves a witness over HTTP: ``add-checkpoint`` for logs, the cosigned checkpoints for monitors, and a health check."""

from __future__ import annotations

import asyncio
import logging
import signal
from http import HTTPStatus

from aiohttp import web

from daulat.ledger.errors import LedgerError

from .cosigner import Cosigner

log = logging.getLogger("daulat.witness")

LARGEST = 65_536
"""Bytes of a request: a proof has at most 63 lines of 45, and a signature of ML-DSA-44 is a line of 3,300."""
READS_FOR = 10.0
"""Seconds that a client has to send a request."""
CLOSES = 1.0
"""Seconds that requests under way have when the process ends."""


def application(cosigner: Cosigner) -> web.Application:
    """Return what serves the witness."""

    async def add_checkpoint(request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(READS_FOR):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=HTTPStatus.REQUEST_TIMEOUT)
        try:
            # It waits for the disk.
            answer = await asyncio.to_thread(cosigner.add_checkpoint, body)
        except (OSError, LedgerError) as error:
            log.error("the state can't be read or written: nothing was cosigned", extra={"why": str(error)})
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text="the witness can't keep its state\n")
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})

    async def monitored(request: web.Request) -> web.Response:
        body = await asyncio.to_thread(cosigner.cosigned, request.match_info["origin"])
        if body is None:
            raise web.HTTPNotFound
        return web.Response(body=body, headers={"Content-Type": "text/plain; charset=utf-8"})

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application(client_max_size=LARGEST)
    app.router.add_post("/add-checkpoint", add_checkpoint)
    app.router.add_get("/{origin:[0-9a-f]{64}}/checkpoint", monitored)
    app.router.add_get("/healthz", healthy)
    return app


async def serve(cosigner: Cosigner, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. OSError if the address can't be listened on."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(application(cosigner), access_log=None, shutdown_timeout=CLOSES)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        log.info("started", extra={"host": host, "port": int(runner.addresses[0][1])})
        await stop.wait()
    finally:
        await runner.cleanup()
    log.info("stopped")
