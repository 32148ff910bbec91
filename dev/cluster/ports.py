"""Chooses free ports on the loopback interface."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from dev.cluster.errors import ClusterError

HOST = "127.0.0.1"


def choose(names: Sequence[str], fixed: Mapping[str, int]) -> dict[str, int]:
    """A free port for each name, those in `fixed` as asked for. All are held until all are chosen, so none repeats."""
    chosen: dict[str, int] = {}
    with ExitStack() as held:
        for name in sorted(names, key=lambda name: name not in fixed):
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, fixed.get(name, 0)))
            except (OSError, OverflowError) as error:
                raise ClusterError(
                    f"port {fixed.get(name)} on {HOST}, asked for as the port of {name}, can't be used: "
                    "ask for another, or for none to have a free one chosen."
                ) from error
            chosen[name] = listener.getsockname()[1]
    return {name: chosen[name] for name in names}
