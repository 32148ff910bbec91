"""Servers of weights that stall, break off or are slow, in front of one that answers as it should."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .servers import Site, respond

LONGEST = 40
"""Seconds after which a stall ends, so that a client without limits fails its test instead of hanging."""


@dataclass
class Fault:
    """What goes wrong with answers of paths that ``on`` picks."""

    on: Callable[[str], bool] = lambda path: True
    after: int | None = None
    """Bytes of the body that are sent before it stalls, or with ``ends`` the connection ends; None for all of them."""
    silent: bool = False
    """Stalls before the status line."""
    ends: bool = False
    pause: float = 0
    """Seconds between two of the body's pieces, of which there are ten."""
    times: int | None = None
    """How many requests of one path it happens to; None for all."""
    ranges: bool = True
    """Whether the server resumes."""
    cooldown: int = 0
    """Seconds that an answer with status 503 says to wait, instead of the right one."""
    hits: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)

    def applies(self, path: str) -> bool:
        """Count a request, and say whether the fault happens to it."""
        if not self.on(path):
            return False
        self.hits[path] += 1
        return self.times is None or self.hits[path] <= self.times


@contextmanager
def faulty(site: Site, fault: Fault) -> Iterator[Site]:
    """Serve the site with the fault. What stalls ends with it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            site.asked.append(self.path)
            bad = (body or fault.silent) and fault.applies(self.path)
            if bad and fault.silent:
                self.close_connection = True
                fault.over.wait(LONGEST)
                return
            status, headers, content = respond(site, self.path, self.headers.get("Authorization", ""))
            if bad and fault.cooldown:
                bad, status, headers, content = False, 503, {"Retry-After": str(fault.cooldown)}, b""
            wanted = self.headers.get("Range")
            if wanted and status == 200 and fault.ranges:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                end = min(int(last), len(content) - 1) if last else len(content) - 1
                headers["Content-Range"] = f"bytes {first}-{end}/{len(content)}"
                status, content = 206, content[int(first) : end + 1]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self._send(content, bad=bad)

        def _send(self, content: bytes, *, bad: bool) -> None:
            if not bad:
                self.wfile.write(content)
            elif fault.pause:
                size = len(content) // 10 + 1
                for start in range(0, len(content), size):
                    fault.over.wait(fault.pause)
                    self.wfile.write(content[start : start + size])
                    self.wfile.flush()
            else:
                self.wfile.write(content[: fault.after])
                self.wfile.flush()
                self.close_connection = True
                if not fault.ends:
                    fault.over.wait(LONGEST)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of clients that gave up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield site
        finally:
            fault.over.set()
            server.shutdown()
