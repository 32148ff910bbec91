"""Stands between the operator and the API server: it carries requests through, records those that write, and injects faults."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from .world import Manifest

HOP_BY_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "content-length"}
GONE = 0.5
"""Seconds between looks whether the client of a silent watch is still there."""


@dataclass
class Asked:
    """A request of the operator."""

    method: str
    path: str
    watch: bool
    body: Manifest | None
    status: int = 0
    """What the API server answered; 0 where it wasn't asked or hasn't answered."""
    lost: bool = False
    """Whether the operator never got that answer."""
    at: float = field(default_factory=time.monotonic)

    @property
    def precondition(self) -> str:
        """The uid that an object must have to be deleted; empty where the request doesn't say."""
        return str(((self.body or {}).get("preconditions") or {}).get("uid") or "")


@dataclass
class Fault:
    """What happens to requests. Of what isn't set nothing happens."""

    method: str
    path: re.Pattern[str]
    """Found anywhere in the path."""
    watch: bool | None = None
    """Watches alone, or all but watches."""
    body: Callable[[Manifest], bool] = lambda body: True
    """Of requests with a body, those alone."""
    left: int = -1
    """How many requests it is for; -1 for all."""
    status: int = 0
    """Answered in the API server's place."""
    retry_after: int = 0
    before: Callable[[], object] | None = None
    """Called before the API server is asked."""
    after: Callable[[], object] | None = None
    """Called once the API server has answered, and before the operator is."""
    lose: bool = False
    """Whether the connection is closed in place of the answer."""
    met: list[Asked] = field(default_factory=list)
    """The requests that it happened to."""

    def takes(self, asked: Asked) -> bool:
        """Say whether the request is one of those, and count it."""
        fits = self.method in ("", asked.method) and self.watch in (None, asked.watch) and self.path.search(asked.path)
        if not fits or not self.left or not self.body(asked.body or {}):
            return False
        self.left -= 1
        self.met.append(asked)
        return True


class Between:
    """A reverse proxy to one API server, in a thread of its own. Credentials go through as they are."""

    def __init__(self, kubeconfig: Path) -> None:
        """Take where the API server is, and what it proves that with, from a kubeconfig."""
        cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        self._server = str(cluster["server"])
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        self._faults: list[Fault] = []
        self._watches: list[web.Request] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.asked: list[Asked] = []
        """What was asked to write, in the order in which it came."""
        self._opened: Counter[str] = Counter()
        self.url = ""

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        self._run(self._start())

    def stop(self) -> None:
        """Close everything."""
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @contextmanager
    def fault(self, method: str, path: str, **what: Any) -> Iterator[Fault]:
        """Inject a fault for as long as the block lasts. The newest comes first."""
        found = Fault(method, re.compile(path), **what)
        self._faults.insert(0, found)
        try:
            yield found
        finally:
            self._faults.remove(found)

    def cut_watches(self) -> int:
        """Break every watch in the middle of a stream; return how many there were."""
        return int(self._run(self._cut()))

    def opened(self, plural: str) -> int:
        """Return how often a watch of a kind was opened."""
        return self._opened[plural]

    def writes(self, method: str, path: str) -> list[Asked]:
        """Return the requests of a method whose path has this text."""
        return [a for a in list(self.asked) if a.method == method and re.search(path, a.path)]

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        await self._cut()
        await self._runner.cleanup()
        await self._session.close()

    async def _cut(self) -> int:
        cut = list(self._watches)
        for request in cut:
            _abort(request)
        return len(cut)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        asked = Asked(request.method, request.path, request.query.get("watch") == "true", _parsed(content))
        if request.method != "GET":
            self.asked.append(asked)
        fault = next((f for f in self._faults if f.takes(asked)), None)
        if fault is not None and fault.before is not None:
            await asyncio.to_thread(fault.before)
        if fault is not None and fault.status:
            return _failure(fault)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        url = URL(self._server + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, headers=headers, data=content or None) as upstream:
            asked.status = upstream.status
            if asked.watch and upstream.status == 200:
                return await self._stream(request, upstream)
            answer = await upstream.read()
        if fault is not None and fault.after is not None:
            await asyncio.to_thread(fault.after)
        if fault is not None and fault.lose:
            asked.lost = True
            _abort(request)
        kept = {k: v for k, v in upstream.headers.items() if k.lower() not in HOP_BY_HOP}
        return web.Response(status=upstream.status, body=answer, headers=kept)

    async def _stream(self, request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        kept = {k: v for k, v in upstream.headers.items() if k.lower() not in HOP_BY_HOP}
        response = web.StreamResponse(status=upstream.status, headers=kept)
        self._watches.append(request)
        try:
            await response.prepare(request)
            self._opened[request.path.rpartition("/")[2]] += 1
            while request.transport is not None and not request.transport.is_closing():
                try:
                    chunk = await asyncio.wait_for(upstream.content.readany(), GONE)
                except TimeoutError:
                    continue
                if not chunk:
                    break
                await response.write(chunk)
        except (OSError, aiohttp.ClientError):
            pass  # One of the two has gone: so does the other.
        finally:
            self._watches.remove(request)
        return response


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _failure(fault: Fault) -> web.Response:
    reason = {429: "TooManyRequests", 503: "ServiceUnavailable", 410: "Expired"}.get(fault.status, "InternalError")
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": fault.status}
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
    return web.json_response({**body, "message": "injected by the test"}, status=fault.status, headers=headers)


def _parsed(content: bytes) -> Manifest | None:
    try:
        body = json.loads(content) if content else None
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
