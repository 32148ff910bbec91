"""Waits until a program of a test listens."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable

from dev.deployment import poll


def listens(port: int) -> bool:
    """Say whether something takes connections at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def await_listening(port: int, process: subprocess.Popen[bytes], printed: Callable[[], str]) -> None:
    """Wait until a program listens. AssertionError, with what it has printed, where it ends before."""
    poll(f"port {port} to be listened at", lambda: process.poll() is not None or listens(port), pause=0.02)
    assert process.poll() is None, printed()
