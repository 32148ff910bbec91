"""An agent for SSH keys that holds one Ed25519 key, as litewitness takes its key from one."""

from __future__ import annotations

import base64
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_FAILURE, _LIST, _KEYS, _SIGN, _SIGNED = 5, 11, 12, 13, 14
_NAME = b"ssh-ed25519"


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _blob(key: Ed25519PrivateKey) -> bytes:
    return _string(_NAME) + _string(key.public_key().public_bytes_raw())


def fingerprint(key: Ed25519PrivateKey) -> str:
    """Return the fingerprint as ssh-keygen writes it."""
    return "SHA256:" + base64.b64encode(sha256(_blob(key)).digest()).decode().rstrip("=")


@contextmanager
def agent(path: Path, key: Ed25519PrivateKey) -> Iterator[None]:
    """Serve the key on a Unix socket (draft-ietf-sshm-ssh-agent)."""

    def answer(message: bytes) -> bytes:
        if message[0] == _LIST:
            return bytes([_KEYS]) + struct.pack(">I", 1) + _string(_blob(key)) + _string(b"witness")
        if message[0] == _SIGN:
            at = 5 + len(_blob(key))
            (length,) = struct.unpack(">I", message[at : at + 4])
            signed = key.sign(message[at + 4 : at + 4 + length])
            return bytes([_SIGNED]) + _string(_string(_NAME) + _string(signed))
        return bytes([_FAILURE])

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while header := self.rfile.read(4):
                self.wfile.write(_string(answer(self.rfile.read(struct.unpack(">I", header)[0]))))

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        block_on_close = False

    with Server(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()
