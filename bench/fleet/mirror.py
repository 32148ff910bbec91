"""The labels of record of all nodes as the API server has them, followed by a watch, and which of them aren't as planned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from bench.api import Session, path
from daulat.api.names import NODE_PREFIX
from dev.cluster.scenario import SITE_LABEL

WATCH_SECONDS = 7200.0

Wanted = Callable[[str], Mapping[str, str]]
"""The labels of record that a node should carry, by its name."""


class Mirror:
    """Follows the nodes from `follow` on. `wrong` are those whose labels aren't what is wanted."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._labels: dict[str, dict[str, str]] = {}
        self.wrong: set[str] = set()
        self.changed_at = 0.0
        """When a label of record was last seen to change, in seconds since the epoch."""
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    def labels(self, node: str) -> Mapping[str, str]:
        """Return the labels of record of a node."""
        return self._labels[node]

    def want(self, wanted: Wanted) -> None:
        """Judge all nodes by something else from now on."""
        self._wanted = wanted
        for name in self._labels:
            self._judge(name)

    async def follow(self, session: Session) -> None:
        """List the nodes, and follow them from there."""
        listed = await session.list(path("Node"), metadata_only=True)
        for node in listed["items"]:
            self._take(node["metadata"])
        self._task = asyncio.create_task(self._watch(session, listed["metadata"]["resourceVersion"]))

    async def stop(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def until_right(self, seconds: float) -> bool:
        """Wait until every node is as wanted; return whether that came in time. RuntimeError where the watch ended."""
        deadline = time.monotonic() + seconds
        while self.wrong:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._task is not None and self._task.done():
                self._task.result()
            self._moved.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), min(left, 5.0))
        return True

    async def _watch(self, session: Session, version: str) -> None:
        async for event in session.watch(path("Node"), version, WATCH_SECONDS, metadata_only=True):
            self._take(event["object"]["metadata"])

    def _take(self, metadata: Mapping[str, Mapping[str, str]]) -> None:
        name = str(metadata["name"])
        labels = {k: v for k, v in metadata["labels"].items() if k.startswith(NODE_PREFIX) and k != SITE_LABEL}
        if self._labels.get(name) != labels:
            self._labels[name] = labels
            self.changed_at = time.time()
        self._judge(name)

    def _judge(self, name: str) -> None:
        if self._labels[name] == self._wanted(name):
            self.wrong.discard(name)
        else:
            self.wrong.add(name)
        self._moved.set()
