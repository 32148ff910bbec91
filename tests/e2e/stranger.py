"""A stranger's server: an admission webhook that has gone bad, or an API in the place of another."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dev.cluster.pki import Authority

from .world import Manifest, World, unique

HANGS, FAILS = "hangs", "fails"
HOST = "127.0.0.1"
REGISTRATION = "admissionregistration.k8s.io/v1"


class Stranger:
    """An HTTPS server of a stranger, for webhooks and aggregated APIs."""

    def __init__(self, behaves: str = FAILS, reads: Callable[[str], Manifest] = lambda path: {}) -> None:
        """Say whether it hangs or fails, and what it answers where something is read, by path and query."""
        self.behaves, self.reads = behaves, reads
        self.asked: list[Manifest] = []
        """What it was asked: objects of the kinds AdmissionReview and ConversionReview."""
        self._stopped = threading.Event()
        self._authority = Authority.create("stranger")
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self._server.socket = self._context().wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> Stranger:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def client_config(self) -> Manifest:
        """How the API server finds it."""
        bundle = base64.b64encode(self._authority.pair.certificate).decode()
        return {"url": f"https://{HOST}:{self.port}/", "caBundle": bundle}

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:
            self._authority.server("stranger", [HOST]).write(Path(directory), "stranger")
            context.load_cert_chain(Path(directory) / "stranger.crt", Path(directory) / "stranger.key")
        return context

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if "watch=true" in self.path:
                    stranger._stopped.wait(60)
                    return
                body = json.dumps(stranger.reads(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                stranger.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if stranger.behaves == HANGS:
                    stranger._stopped.wait(60)
                    return
                self.send_response(500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def webhook(
    world: World,
    behaves: str,
    rules: Sequence[Mapping[str, Any]],
    kind: str = "ValidatingWebhookConfiguration",
    **scope: Any,
) -> Iterator[Stranger]:
    """A webhook that must be asked and doesn't work, for as long as the block lasts. ``scope``: its selectors."""
    name = unique("stranger")
    with Stranger(behaves) as stranger:
        hook = {
            "name": f"{name}.example.com",
            "clientConfig": stranger.client_config,
            "rules": [dict(rule) for rule in rules],
            "failurePolicy": "Fail",
            "timeoutSeconds": 1,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            **scope,
        }
        world.admin.apply([{"apiVersion": REGISTRATION, "kind": kind, "metadata": {"name": name}, "webhooks": [hook]}])
        try:
            yield stranger
        finally:
            world.admin.run("delete", kind.lower(), name)


def rule(group: str, resources: Sequence[str], *operations: str) -> Manifest:
    """Return a rule of a webhook for a group's resources in every version."""
    return {"apiGroups": [group], "apiVersions": ["*"], "resources": list(resources), "operations": list(operations)}
