"""Follows objects to the state in which they stay, and tells slow from stuck.

Slow: something still happens to the objects or their pods, whatever it is. Stuck: for `STUCK` seconds nothing did. A deadline ends
both. What hasn't come to a final state by then is named, and the run goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.api import Manifest, Session, path

QUIET = 10.0
"""Seconds without a change after which states count as final."""
STUCK = 90.0
"""Seconds without any event after which what isn't final waits for something that doesn't come."""
LIMIT = 3600.0
NO_ROOM = "InsufficientDevices"

State = Callable[[Manifest], str]
"""The final state that an object is in; empty while it isn't in one."""


def of_model(model: Manifest) -> str:
    """Return the final state of a model; empty while it isn't in one."""
    status = model.get("status") or {}
    found = {c["type"]: c for c in status.get("conditions") or ()}
    if status.get("observedGeneration") != model["metadata"]["generation"]:
        return ""
    if found.get("Ready", {}).get("status") == "True":
        return f"Ready on {status['placement']['accelerator']}"
    placed = found.get("Placed", {})
    waits = (placed.get("status"), placed.get("reason")) == ("False", NO_ROOM)
    return NO_ROOM if waits else ""


def of_deployment(deployment: Manifest) -> str:
    """Return the final state of a Deployment; empty while it isn't in one."""
    status, spec = deployment.get("status") or {}, deployment["spec"]
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return "Ready" if seen and status.get("readyReplicas", 0) == spec["replicas"] else ""


@dataclass
class Final:
    """When each object came to the state in which it is. ``clock`` gives seconds."""

    number: int
    """How many objects there are to be."""
    clock: Callable[[], float] = time.monotonic
    states: dict[str, str] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)
    """When each was seen to come to it."""
    changed: float = 0.0
    """When a state was last seen to change."""
    heard: float = 0.0
    """When anything was last seen to happen."""

    def __post_init__(self) -> None:
        self.changed = self.heard = self.clock()

    def hear(self) -> None:
        """Note that something happened, whatever it was."""
        self.heard = self.clock()

    def note(self, name: str, state: str) -> None:
        """Note the state of an object."""
        self.hear()
        if self.states.get(name) != state:
            self.states[name] = state
            self.at[name] = self.changed = self.heard

    @property
    def missing(self) -> list[str]:
        """The objects that were seen and aren't in a final state."""
        return sorted(name for name, state in self.states.items() if not state)

    @property
    def unseen(self) -> int:
        """How many objects haven't been seen at all."""
        return self.number - len(self.states)

    @property
    def settled(self) -> bool:
        """Whether all are in a final state, and have been for a while."""
        return not self.unseen and not self.missing and self.clock() - self.changed > QUIET

    @property
    def stuck(self) -> bool:
        """Whether nothing has happened for so long that nothing will."""
        return self.clock() - self.heard > STUCK


@asynccontextmanager
async def following(
    session: Session, kind: str, state: State, final: Final, namespaces: Sequence[str]
) -> AsyncIterator[None]:
    """Note what becomes of the objects of the kind, and that anything happens to pods, for as long as the block lasts."""

    async def follow(watched: str, version: str, take: Callable[[Manifest], None]) -> None:
        async for event in session.watch(path(watched), version, LIMIT, metadata_only=watched != kind):
            if event["object"]["metadata"].get("namespace") in namespaces:
                take(event["object"])

    def note(found: Manifest) -> None:
        meta = found["metadata"]
        final.note(f"{meta['namespace']}/{meta['name']}", state(found))

    watches = []
    takes: dict[str, Callable[[Manifest], None]] = {kind: note, "Pod": lambda found: final.hear()}
    for watched, take in takes.items():
        version = (await session.list(path(watched), metadata_only=True))["metadata"]["resourceVersion"]
        watches.append(asyncio.create_task(follow(watched, version, take)))
    try:
        yield
        for watch in watches:
            if watch.done():
                watch.result()
    finally:
        for watch in watches:
            watch.cancel()


async def settle(final: Final) -> str:
    """Wait until all objects are settled; return what didn't come where nothing happens any more, or the deadline is over."""
    deadline = final.clock() + LIMIT
    while not final.settled:
        over = final.clock() > deadline
        if final.stuck or over:
            why = f"after {LIMIT:.0f} s" if over else f"and nothing has happened for {STUCK:.0f} s"
            return (
                f"{len(final.missing)} of {final.number} aren't in a final state, {final.unseen} were never seen, {why}"
            )
        await asyncio.sleep(0.2)
    return ""


def waiting_for_room(pods: Sequence[dict[str, Any]], label: str) -> set[str]:
    """Return the owners (namespace/name, by the label) of pods for which the scheduler finds no node."""
    return {
        f"{pod['metadata']['namespace']}/{pod['metadata']['labels'][label]}"
        for pod in pods
        for condition in pod.get("status", {}).get("conditions", ())
        if (condition["type"], condition.get("reason")) == ("PodScheduled", "Unschedulable")
    }
