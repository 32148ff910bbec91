"""Answers probes and Prometheus: alive while watches deliver, ready once every kind was listed that no cluster is without."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

CLOSES = 1.0
"""Seconds that requests under way have when the process ends. The library's own minute is more than a pod has to end."""


class HealthServer:
    """A small HTTP server: /healthz, /readyz, /metrics."""

    def __init__(
        self, port: int, registry: CollectorRegistry, alive: Callable[[], str], ready: Callable[[], str]
    ) -> None:
        """Take the port (0 for any), the metrics, and two functions that return a problem, empty where there is none."""
        self._port, self._registry, self._alive, self._ready = port, registry, alive, ready
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Begin to answer; return the port."""
        app = web.Application()
        app.router.add_get("/healthz", lambda request: _answer(self._alive()))
        app.router.add_get("/readyz", lambda request: _answer(self._ready()))
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSES)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "0.0.0.0", self._port)  # noqa: S104 - probes come from the node
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def stop(self) -> None:
        """Stop answering."""
        if self._runner is not None:
            await self._runner.cleanup()


async def _answer(problem: str) -> web.Response:
    return web.Response(text=(problem or "ok") + "\n", status=503 if problem else 200)
