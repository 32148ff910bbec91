"""An API server on this machine that holds objects and lists them by page, for what reads a cluster."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from daulat.kube.resources import WATCHED
from tests.unit.discovery import aggregated

Raw = dict[str, Any]

_REASONS = {403: "Forbidden", 410: "Expired", 500: "InternalError"}


@dataclass
class FakeApiServer:
    """Objects by the path of their collection. A collection that isn't there isn't served."""

    collections: dict[str, list[Raw]] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Status and message for requests of a path."""
    requests: list[str] = field(default_factory=list)
    """Paths with their queries, in the order in which they came."""
    url: str = ""
    version: str = "v1.37.2"

    def serve_watched(self) -> None:
        """Serve every kind that the operator watches, without an object."""
        self.collections |= {r.path(): [] for r in WATCHED}

    def add(self, *objects: Raw) -> None:
        """Put objects into the collections of their kinds, as the API server lists them: without apiVersion and kind."""
        for each in objects:
            resource = next(r for r in WATCHED if (r.api_version, r.kind) == (each["apiVersion"], each["kind"]))
            bare = {key: value for key, value in each.items() if key not in ("apiVersion", "kind")}
            self.collections.setdefault(resource.path(), []).append(bare)

    @property
    def listed(self) -> set[str]:
        """The collections that were listed, by plural."""
        return {path.partition("?")[0].rpartition("/")[2] for path in self.requests if "limit=" in path}

    def kubeconfig(self, folder: Path, namespace: str = "") -> Path:
        """Write a kubeconfig for this server, with the namespace of its context."""
        at = folder / "kubeconfig"
        context = {"cluster": "c", "user": "u", **({"namespace": namespace} if namespace else {})}
        named = {
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": context}],
        }
        at.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **named, "current-context": "x"}))
        return at

    def answer(self, path: str, query: Mapping[str, list[str]]) -> tuple[int, Raw]:
        """Return the status and the body for a GET."""
        if path in self.refusals:
            status, message = self.refusals[path]
            return status, {"reason": _REASONS.get(status, ""), "message": message}
        if path == "/version":
            return 200, {"gitVersion": self.version}
        if path == "/apis":
            return 200, aggregated(r for r in WATCHED if r.path() in self.collections)
        if path in self.collections:
            start, limit = int(query.get("continue", ["0"])[0]), int(query["limit"][0])
            items = self.collections[path]
            more = {"continue": str(start + limit)} if start + limit < len(items) else {}
            return 200, {"metadata": {"resourceVersion": "7", **more}, "items": items[start : start + limit]}
        return self._one(path)

    def _one(self, path: str) -> tuple[int, Raw]:
        collection, _, name = path.rpartition("/")
        root, _, rest = collection.partition("/namespaces/")
        namespace, _, plural = rest.partition("/")
        for resource in WATCHED:
            if resource.path() != (f"{root}/{plural}" if plural else collection):
                continue
            for item in self.collections.get(resource.path(), ()):
                meta = item["metadata"]
                if (meta["name"], meta.get("namespace", "")) == (name, namespace if plural else ""):
                    return 200, {"apiVersion": resource.api_version, "kind": resource.kind, **item}
        return 404, {"reason": "NotFound", "message": "the server could not find the requested resource"}


@contextmanager
def serving(api: FakeApiServer) -> Iterator[FakeApiServer]:
    """Serve on a free port until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            api.requests.append(self.path)
            url = urlsplit(self.path)
            status, body = api.answer(url.path, parse_qs(url.query))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
