"""Speaks to an API server over connections that are kept, as the cluster's admin or as anybody else."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

Manifest = dict[str, Any]
IDLE = 60.0
"""Seconds after which a connection that nobody used is opened anew."""
_DENIED = re.compile(r"ValidatingAdmissionPolicy '([^']+)' with binding '[^']+' denied request: (.*)", re.DOTALL)
_WARNED = re.compile(
    r"299 - \"Validation failed for ValidatingAdmissionPolicy '([^']+)' with binding '[^']+': (.*)\"", re.DOTALL
)


@dataclass(frozen=True)
class Answer:
    """What the API server answered."""

    status: int
    body: Manifest
    warnings: tuple[str, ...] = ()
    audit_id: str = ""

    @property
    def text(self) -> str:
        """What it says in words, where it says no."""
        return str(self.body.get("message", "")) if self.status >= 300 else ""

    @property
    def denied(self) -> tuple[str, str] | None:
        """The admission policy that refuses, and its message."""
        found = _DENIED.search(self.text)
        return (found[1], found[2]) if found else None

    @property
    def warned(self) -> dict[str, str]:
        """The messages of the admission policies that warn, by policy."""
        found = [_WARNED.fullmatch(w) for w in self.warnings]
        return {m[1]: re.sub(r"\\(.)", r"\1", m[2]) for m in found if m}


class Server:
    """An API server, for several threads."""

    def __init__(self, kubeconfig: Path, seconds: float = 60) -> None:
        """Read where it is, and the certificate of the cluster's admin. An answer that takes longer is none."""
        self._seconds = seconds
        config = yaml.safe_load(kubeconfig.read_text())
        self._cluster, self._user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._own = threading.local()

    @cached_property
    def _context(self) -> ssl.SSLContext:
        authority = base64.b64decode(self._cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        # Python loads a client's certificate from a file only.
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(b"".join(base64.b64decode(self._user[f"client-{part}-data"]) for part in ("certificate", "key")))
            pair.flush()
            context.load_cert_chain(pair.name)
        return context

    def ask(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        user: str = "",
        groups: Sequence[str] = (),
        extra: Mapping[str, Sequence[str]] | None = None,
        accept: str = "application/json",
        content_type: str = "application/json",
    ) -> Answer:
        """Return the answer; OSError or HTTPException where there is none. Without a user the admin asks."""
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        connection = self._connection()
        if time.monotonic() - self._own.asked > IDLE:
            connection.close()  # The server closes what nobody uses, perhaps just now; asking opens another one.
        self._own.asked = time.monotonic()
        try:
            connection.putrequest(method, path)
            connection.putheader("Content-Type", content_type)
            connection.putheader("Accept", accept)
            connection.putheader("Content-Length", str(len(content)))
            if user:
                connection.putheader("Impersonate-User", user.encode())
            for group in groups:
                connection.putheader("Impersonate-Group", group.encode())
            for key, values in (extra or {}).items():
                for value in values:
                    connection.putheader(f"Impersonate-Extra-{quote(key, safe='')}", value.encode())
            connection.endheaders(content)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        warnings = tuple(_as_sent(w) for w in response.headers.get_all("Warning") or ())
        return Answer(response.status, _parsed(text), warnings, response.headers.get("Audit-Id") or "")

    def must(self, method: str, path: str, body: Manifest | None = None) -> Manifest:
        """Return what the API server makes of an admin's request; AssertionError where it says no."""
        answer = self.ask(method, path, body)
        assert answer.status < 300, f"{method} {path}: {answer.body.get('message', answer.body)}"
        return answer.body

    def _connection(self) -> http.client.HTTPSConnection:
        if not hasattr(self._own, "connection"):
            host = self._cluster["server"].removeprefix("https://")
            self._own.asked = time.monotonic()
            self._own.connection = http.client.HTTPSConnection(host, context=self._context, timeout=self._seconds)
        connection: http.client.HTTPSConnection = self._own.connection
        return connection


def _parsed(text: bytes) -> Manifest:
    try:
        content = json.loads(text)
    except ValueError:
        return {"message": text.decode(errors="replace")}
    return content if isinstance(content, dict) else {"message": str(content)}


def _as_sent(header: str) -> str:
    # http.client reads headers as Latin-1, and the API server writes UTF-8.
    return header.encode("latin-1").decode()
