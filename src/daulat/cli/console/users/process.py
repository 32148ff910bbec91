"""Runs the console for users who sign in: pages, probes, metrics, a clean stop."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from daulat.console.outlines import Outlines
from daulat.console.site import Site
from daulat.kube.client import Client
from daulat.process.health import CLOSES, HealthServer
from daulat.process.lifecycle import until_stopped
from daulat.process.tls import ServerTls

from ...cluster import Reader
from ...reading import Rights, Scope, gather
from ..further import LogSource
from ..latest import Latest
from ..whatif import Simulations, facts
from . import metrics
from .pages import Pages, Taken, made
from .rights import REVIEW_TTL
from .server import Settings, Users

log = logging.getLogger("daulat.console")


@dataclass(frozen=True)
class Options:
    """How the process runs."""

    host: str
    port: int
    operator_namespace: str
    refresh: float
    """Seconds after which facts are read anew."""
    outlines: Outlines
    title: str = ""
    """Shown on each page beside the product's name."""
    hosts: frozenset[str] = frozenset()
    tls: ServerTls | None = None
    proxies: tuple[str, ...] = ()
    """Common names of the client certificates of proxies that name their users."""
    health_port: int = 8080
    review_ttl: float = REVIEW_TTL
    """Seconds for which the API server's answers about tokens and rights are kept."""
    log: LogSource | None = None


async def run(client: Client, options: Options, listening: Callable[[int], None]) -> int:
    """Serve until a signal; ``listening`` gets the port once it does. Raises OSError where it can't listen."""
    reader = Reader(client)
    client.count = lambda method: metrics.API_REQUESTS.labels(method).inc()
    scope = Scope(operator_namespace=options.operator_namespace)

    async def take() -> Taken:
        gathered = await gather(reader, scope)
        return Taken(gathered, None if options.log is None else await options.log.read(gathered.models))

    latest: Latest[Taken] = Latest(take, options.refresh)

    def make(taken: Taken, rights: Rights) -> Site:
        return made(taken, rights, options.outlines, options.title)

    simulations = Simulations(lambda: facts(reader, options.operator_namespace), options.refresh)
    users = Users(
        client,
        latest,
        Pages(make),
        simulations,
        Settings(options.tls is not None, options.hosts, options.review_ttl),
        operator_namespace=options.operator_namespace,
        proxies=options.proxies,
    )
    context: ssl.SSLContext | None = options.tls.context() if options.tls else None
    # A page can hold what a browser, or its extensions, shouldn't see in a log either; and a path names objects.
    runner = web.AppRunner(users.application(), access_log=None, shutdown_timeout=CLOSES)
    health = HealthServer(options.health_port, metrics.REGISTRY, lambda: "", lambda: "")
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port, ssl_context=context).start()
        await health.start()
        listening(int(runner.addresses[0][1]))
        tasks = [options.tls.reload(context)] if options.tls and context else [asyncio.Event().wait()]
        return await until_stopped(tasks, [], [])
    finally:
        simulations.close()
        await runner.cleanup()
        await health.stop()
