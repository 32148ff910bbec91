"""A leader on an API server in memory, as the process wires it: lists first, then watches, which bring every change after the
answer to the write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast

from daulat.facts.store import Store
from daulat.kube.ref import Ref
from daulat.kube.resources import WATCHED, Resource
from daulat.mirror.informer import Informer
from daulat.operator.leader import Leader
from daulat.process.lease import Lease
from tests.unit.world import OPERATOR_NAMESPACE, WEIGHTS_IMAGE, World, guards_of

from .server import WATCHES, Asked, FakeServer
from .virtual import later

Raw = dict[str, Any]
UNSERVED = ("LeaderWorkerSet", "ScaledObject", "HTTPRoute", "InferencePool", "Gateway", "PodMonitor", "ResourceSlice")


class _Held:
    """A Lease that is always good."""

    def held(self) -> bool:
        return True

    async def good(self) -> None:
        return None

    async def keep(self) -> None:
        await asyncio.Event().wait()


class Cluster:
    """An operator process on a server."""

    def __init__(self, server: FakeServer, identity: str = "test", resources: Sequence[Resource] = WATCHED) -> None:
        self.server = server
        self.store = Store(OPERATOR_NAMESPACE, WEIGHTS_IMAGE)
        self.leader = Leader(server, self.store, cast("Lease", _Held()), identity)
        self._informer = Informer(server, self.store, self.leader.changed, resources=resources)
        self._task: asyncio.Task[str] | None = None
        server.watches.append(self._hear)

    async def list(self) -> None:
        """Take everything in, and lead nothing yet."""
        await self._informer.sync()

    async def start(self) -> None:
        """Take everything in, and lead."""
        await self.list()
        self._task = asyncio.create_task(self.leader.lead())

    async def relist(self) -> None:
        """List everything once more, as is done every five minutes."""
        await self._informer.relist()

    async def settle(self, seconds: float = 60.0) -> None:
        """Let so many seconds pass."""
        await asyncio.sleep(seconds)
        if self._task is not None and self._task.done():
            raise AssertionError(self._task.result())

    async def stop(self) -> None:
        """Lead no longer, and hear nothing more."""
        self.server.watches.remove(self._hear)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _hear(self, kind: str, type_: str, raw: Raw) -> None:
        later(WATCHES, lambda: self._informer.take(kind, type_, raw))


def serve(world: World, *, guarded: bool = False) -> FakeServer:
    """Return a server that has the objects of a world; ``guarded`` where an operator put its policies in force before."""
    server = FakeServer(UNSERVED)
    kinds = {
        "Namespace": world.namespaces,
        "Node": world.nodes,
        "AcceleratorProfile": world.profiles,
        "SovereignZone": world.zones,
        "SovereigntyExemption": world.exemptions,
        "SovereigntyPolicy": world.policies,
        "SovereignModel": world.models,
        "Pod": world.pods,
    }
    for kind, raws in kinds.items():
        for raw in raws:
            server.put(kind, raw)
    for guard in (g for raw in world.policies if guarded for g in guards_of(raw)):
        server.put(guard["kind"], guard)
    return server


def condition(server: FakeServer, ref: Ref, type_: str) -> tuple[str, str, str]:
    """Return a condition's status, reason and message."""
    said = (server.object(ref).get("status") or {}).get("conditions") or ()
    return next(((c["status"], c["reason"], c["message"]) for c in said if c["type"] == type_), ("", "", ""))


def writes(asked: Iterable[Asked]) -> list[str]:
    """Return the requests that write anything."""
    return [str(a) for a in asked if a.writes]
