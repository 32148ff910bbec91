"""The audit webhook: the API server posts batches over TLS, and repeats each until it is answered that the log has it."""

from __future__ import annotations

import asyncio
import hmac
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from daulat.evidence.audit.batch import Origin
from daulat.evidence.audit.entries import AuditGap, AuditUnreadable, Doubt, Source
from daulat.process.tls import ServerTls, common_name

from .intake import Intake, Unavailable

log = logging.getLogger("daulat.recorder")

PATH = "/audit"
RETRIED = timedelta(seconds=80)
"""How long an API server retries a batch at least: five times, after 10, 15, 22.5 and 33.75 s (--audit-webhook-initial-backoff)."""
MOST_BYTES = 16 << 20
"""A batch that is larger is recorded by its digest alone. An API server that is told to truncate sends 10 MiB at most."""
_ENDLESS = 1 << 30
"""Bytes after which a request isn't read to its end."""
_AT_ONCE = 4
_WAITING = 16
"""Requests that may wait for the log at once. A log that fails for hours would have each repetition wait for it, with its body."""
_RETRY_SECONDS = 3
"""Ten repetitions, which are all that client-go makes for this header, fit into the 30 s after which it gives one try up."""
_READ_SECONDS = 25.0
"""Less than the 30 s after which the API server gives a request up."""
_CLOSES = 10.0
"""Seconds that requests have to be answered when the webhook stops."""


@dataclass(frozen=True)
class WebhookOptions:
    """How the webhook listens. A client CA or a token is needed: a stranger's events would be evidence."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """Who signs the API server's client certificate. An authority of its own, or ``client_names`` says whose certificate it is."""
    client_names: frozenset[str] = frozenset()
    """Common names of client certificates that may send events; any that the CA signed if empty."""
    token_file: Path | None = None
    """A file with the bearer token. It is read for each request, so that it can be replaced."""
    host: str = "0.0.0.0"  # noqa: S104 - API servers reach it by a Service
    port: int = 8443


def _utc() -> datetime:
    return datetime.now(UTC)


class AuditWebhook:
    """Listens for batches from the time of ``start`` to that of ``stop``."""

    def __init__(
        self,
        intake: Intake,
        options: WebhookOptions,
        clock: Callable[[], datetime] = _utc,
        writes: Callable[[], bool] = lambda: True,
    ) -> None:
        """ValueError if the options let in every client.

        ``writes`` returns whether this replica writes the log. One that doesn't should listen all the same: it sends batches on to
        another connection at once, where a refused connection costs an API server one of five tries.
        """
        if options.client_ca is None and options.token_file is None:
            raise ValueError("the audit webhook needs a client CA or a token file")
        self._intake = intake
        self._options = options
        self._clock = clock
        self._writes = writes
        self._refusing_since: datetime | None = None
        self._requests = 0
        self._reading = asyncio.Semaphore(_AT_ONCE)
        self._runner: web.AppRunner | None = None
        self._reloading: asyncio.Task[None] | None = None

    async def tell_gap(self, down_since: datetime) -> None:
        """Record a gap if API servers have given batches up since then: the last time at which batches were taken for certain."""
        await self._tell_gap(Doubt.NOT_LISTENING, down_since, self._clock())

    async def start(self) -> int:
        """Listen, and return the port. OSError or ssl.SSLError if it can't be."""
        tls = ServerTls(self._options.certificate, self._options.key, self._options.client_ca)
        context = tls.context()
        app = web.Application()
        app.router.add_post(PATH, self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSES)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._options.host, self._options.port, ssl_context=context)
        await site.start()
        self._reloading = asyncio.create_task(tls.reload(context))
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Answer what has begun, and listen no more."""
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.gather(self._reloading, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self._requests += 1
        try:
            if not self._may(request):
                return web.Response(status=401)
            if not self._writes():
                return _later()
            if self._requests > _WAITING:
                raise Unavailable("too many batches wait for the log")
            async with self._reading:
                async with asyncio.timeout(_READ_SECONDS):
                    data, unread = await _body(request)
                # What the log has begun to take, it ends to take, though the client may be gone: then its repetition is known.
                await asyncio.shield(self._record(data, unread))
        except TimeoutError:
            return web.Response(status=408)
        except (Unavailable, sqlite3.Error, OSError) as error:
            self._refusing_since = self._refusing_since or self._clock()
            log.warning("an audit batch was not taken", extra={"error": str(error)})
            return _later()
        finally:
            self._requests -= 1
        return web.Response()

    async def _record(self, data: bytes, unread: AuditUnreadable | None) -> None:
        if unread is not None:
            await self._intake.tell(unread)
        else:
            await self._intake.take(data, Origin(Source.WEBHOOK))
        since, self._refusing_since = self._refusing_since, None
        await self._tell_gap(Doubt.NOT_TAKEN, since, self._clock())

    async def _tell_gap(self, reason: Doubt, since: datetime | None, now: datetime) -> None:
        """Record a gap if API servers have given batches up since then."""
        if since is not None and now - since > RETRIED:
            from_, until = (f"{t.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for t in (since, now))
            await self._intake.tell(AuditGap(source=Source.WEBHOOK, reason=reason, since=from_, until=until))

    def _may(self, request: web.Request) -> bool:
        options = self._options
        if options.client_names and common_name(request) not in options.client_names:
            return False
        if options.token_file is not None:
            expected = options.token_file.read_bytes().strip()
            given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            return bool(expected) and hmac.compare_digest(given, b"Bearer " + expected)
        return True


def _later() -> web.Response:
    """Return the answer to a batch that is to come again soon: over a new connection, which may lead to another replica."""
    answer = web.Response(status=503, headers={"Retry-After": str(_RETRY_SECONDS)})
    answer.force_close()
    return answer


async def _body(request: web.Request) -> tuple[bytes, AuditUnreadable | None]:
    """Return the body, or what is recorded in its place if it is too large to be read. HTTPRequestEntityTooLarge if it has no end.

    A body that is too large is answered as taken: it would be as large when it is repeated, and others behind it would be lost.
    """
    kept, size, digest = bytearray(), 0, sha256()
    async for chunk in request.content.iter_chunked(1 << 16):
        size += len(chunk)
        digest.update(chunk)
        if size > _ENDLESS:
            raise web.HTTPRequestEntityTooLarge(_ENDLESS, size)
        if size > MOST_BYTES:
            kept.clear()
        else:
            kept += chunk
    if size <= MOST_BYTES:
        return bytes(kept), None
    reason = f"larger than {MOST_BYTES} bytes"
    named = f"sha256:{digest.hexdigest()}"
    return b"", AuditUnreadable(batch=named, bytes=size, source=Source.WEBHOOK, reason=reason)
