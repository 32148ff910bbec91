"""Who reaches whom, by sockets in the network namespaces of pods: what is held back looks like a host that says nothing."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from dev.cluster.node import netns

SECONDS = 1.5
"""For which an answer is waited for: a first packet that got lost is sent again after one."""


@dataclass(frozen=True)
class Way:
    """A way that a connection may take."""

    network: int
    """A descriptor of the network namespace from which it starts."""
    address: str
    port: int


def open_ways(ways: Mapping[str, Way], seconds: float = SECONDS) -> set[str]:
    """Return the names of the ways on which something answers, also by a refusal. All are tried at the same time."""
    pending: dict[socket.socket, str] = {}
    found = set()
    with contextlib.ExitStack() as opened:
        for name, way in ways.items():
            tried = opened.enter_context(netns.stream_socket(way.network))
            tried.connect_ex((way.address, way.port))
            pending[tried] = name
        deadline = time.monotonic() + seconds
        while pending and (left := deadline - time.monotonic()) > 0:
            _, answered, _ = select.select([], list(pending), [], left)
            found |= {pending.pop(one) for one in answered}
    return found


@dataclass
class Listener:
    """A port on which connections are taken, and ended at once."""

    came: set[str] = field(default_factory=set)
    """The addresses of those who came."""


@contextmanager
def listening(network: int, port: int) -> Iterator[Listener]:
    """Take connections in a network namespace for as long as the block lasts."""
    listener, stop = Listener(), threading.Event()
    with netns.stream_socket(network) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("", port))
        server.listen()

        def serve() -> None:
            while not stop.is_set():
                if select.select([server], [], [], 0.1)[0]:
                    connection, (address, _) = server.accept()
                    connection.close()
                    listener.came.add(address)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            stop.set()
            thread.join()
