"""A client that costs little: one kept TLS connection, requests made up beforehand, answers read but not understood."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
TIMEOUT_SECONDS = 30
_END = b"\r\n\r\n"


def request(host: str, path: str, body: Manifest) -> bytes:
    """Return the bytes of a POST."""
    content = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Client:
    """One connection to the API server as one user. For one thread."""

    def __init__(self, kubeconfig: Path) -> None:
        """Connect as the kubeconfig says."""
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        # Python loads a client's certificate from a file only.
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
            pair.flush()
            context.load_cert_chain(pair.name)
        self.host = str(cluster["server"]).removeprefix("https://")
        self._context = context
        self._socket = self._connect()

    def send(self, raw: bytes) -> int:
        """Send a request, read the whole answer, and return its status."""
        return self.ask(raw)[0]

    def ask(self, raw: bytes) -> tuple[int, bytes]:
        """Send a request and return the answer's status and body, as it was sent."""
        try:
            self._socket.sendall(raw)
            data = self._receive()
        except OSError:
            # The API server ends a connection that has rested for a minute and a half.
            self._socket.close()
            self._socket = self._connect()
            self._socket.sendall(raw)
            data = self._receive()
        while _END not in data:
            data += self._receive()
        head, _, body = data.partition(_END)
        status = int(head[9:12])
        head = head.lower()
        if b"transfer-encoding: chunked" in head:
            # No line break stands in the JSON that the API server sends, so this is the last chunk.
            while not body.endswith(b"0\r\n\r\n"):
                body += self._receive()
        else:
            length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
            while len(body) < length:
                body += self._receive()
        return status, body

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _connect(self) -> ssl.SSLSocket:
        name, _, port = self.host.rpartition(":")
        plain = socket.create_connection((name, int(port)), timeout=TIMEOUT_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(plain, server_hostname=name)

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the API server closed the connection")
        return data
