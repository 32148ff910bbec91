"""Moves this thread between network namespaces. Sockets stay in the namespace in which they were made."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def leave() -> None:
    """Go into a new network namespace, which nobody else is in. Raises OSError where that isn't allowed."""
    _check(_libc.unshare(CLONE_NEWNET))


def here() -> int:
    """Return a descriptor of the network namespace of this thread."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def of(pid: int) -> int:
    """Return a descriptor of the network namespace of a process."""
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Be in another namespace for as long as the block lasts. Nothing may be awaited in it: the whole thread is there."""
    before = here()
    try:
        _check(_libc.setns(namespace, CLONE_NEWNET))
        try:
            yield
        finally:
            _check(_libc.setns(before, CLONE_NEWNET))
    finally:
        os.close(before)


def stream_socket(namespace: int) -> socket.socket:
    """Return a TCP socket in another namespace."""
    with inside(namespace):
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setblocking(False)
    return found


def _check(status: int) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
