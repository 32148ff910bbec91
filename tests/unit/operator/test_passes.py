"""Passes of the operator: decisions follow each other, writes overlap, and a write that fails gives nothing away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.errors import Conflict, NoAnswer
from daulat.kube.ref import Ref
from daulat.operator.leader import WORKERS, Leader
from daulat.operator.lease import Lease
from daulat.placement.current_placement import placement_of
from daulat.reconcile.registry import everything
from tests.unit.world import ASCEND, World, ascend, choice, model

X, Y = (Ref("SovereignModel", "treasury", name) for name in "xy")


class FakeServer:
    """Keeps what is applied, as the API server does, and answers or not as a test wants it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.objects: dict[str, dict[str, Any]] = {}
        self.before: Callable[[str], Awaitable[None]] | None = None
        self._version = 100

    async def apply(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(("apply", path))
        if self.before is not None:
            await self.before(path)
        known = self.objects.get(path.removesuffix("/status"))
        wanted = manifest["metadata"].get("resourceVersion")
        if known is not None and wanted and wanted != known["metadata"].get("resourceVersion"):
            raise Conflict(409, "Conflict", "the object has been modified")
        self._version += 1
        body = {**(known or {}), **manifest}
        body["metadata"] = {**(known or manifest)["metadata"], **manifest["metadata"]}
        body["metadata"] |= {"resourceVersion": str(self._version), "generation": 1, "uid": f"uid-{path}"}
        if path.endswith("/status"):
            body["spec"] = next(m["spec"] for m in MODELS if m["metadata"]["name"] == manifest["metadata"]["name"])
            body["metadata"]["uid"] = f"uid-treasury-{manifest['metadata']['name']}"
        self.objects[path.removesuffix("/status")] = body
        return body

    async def get(self, path: str) -> dict[str, Any] | None:
        self.asked.append(("get", path))
        return self.objects.get(path)

    async def request(self, method: str, path: str, body: Any = None, query: Any = None) -> dict[str, Any]:
        self.asked.append((method, path))
        return {}

    async def merge(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError(f"nothing is to be merged into {path}")


MODELS = [model(name, accelerators=[choice(ASCEND, 8)]) for name in "xy"]


def operator(server: FakeServer, **world: Any) -> Leader:
    """Return a leader that knows a cluster with room for one of the two models."""
    client = cast("Client", server)
    lease = Lease(client, "daulat-system", "test")
    lease._renewed = time.monotonic()
    found = Leader(client, Store("daulat-system"), lease, "test")
    scene = World(**{"nodes": [ascend("a1")], "models": MODELS, **world})
    kinds = {
        "Node": scene.nodes,
        "SovereignZone": scene.zones,
        "SovereigntyPolicy": scene.policies,
        "Namespace": scene.namespaces,
        "AcceleratorProfile": scene.profiles,
        "SovereignModel": scene.models,
    }
    for kind, raws in kinds.items():
        for raw in raws:
            found._store.apply(kind, versioned(raw))
    return found


def versioned(raw: dict[str, Any]) -> dict[str, Any]:
    """Return an object as the API server has it."""
    return {**raw, "metadata": {"resourceVersion": "10", **raw["metadata"]}}


def placed(server: FakeServer) -> set[str]:
    """Return the models whose status says that they have a place."""
    found = {path.rsplit("/", 1)[1]: o for path, o in server.objects.items() if "sovereignmodels" in path}
    return {name for name, o in found.items() if placement_of(o.get("status") or {})}


def deployed(server: FakeServer) -> list[str]:
    return [path.rsplit("/", 1)[1] for path in server.objects if "/deployments/" in path]


def test_the_promise_is_written_down_before_anything_is_made() -> None:
    async def scenario() -> None:
        server = FakeServer()
        await operator(server)._pass(X)
        paths = [path for verb, path in server.asked if verb == "apply"]
        assert paths[0].endswith("/sovereignmodels/x/status")
        assert paths[-1].endswith("/deployments/x")

    asyncio.run(scenario())


def test_while_a_status_is_being_written_its_devices_are_given_to_nobody_else() -> None:
    async def scenario() -> None:
        server = FakeServer()
        release = asyncio.Event()

        async def slow(path: str) -> None:
            if path.endswith("/x/status"):
                await release.wait()

        server.before = slow
        it = operator(server)
        first = asyncio.create_task(it._pass(X))
        await asyncio.sleep(0)
        await it._pass(Y)
        assert deployed(server) == []
        release.set()
        await first
        assert placed(server) == {"x"}
        assert deployed(server) == ["x"]

    asyncio.run(scenario())


def test_where_a_status_may_or_may_not_be_written_nothing_is_made_and_its_devices_stay_promised() -> None:
    async def scenario() -> None:
        server = FakeServer()

        async def lost(path: str) -> None:
            if path.endswith("/x/status"):
                raise NoAnswer

        server.before = lost
        it = operator(server)
        await it._try(X)
        await it._pass(Y)
        assert deployed(server) == []
        assert placed(server) == set()
        server.before = None
        await it._pass(X)
        assert placed(server) == {"x"}

    asyncio.run(scenario())


def test_where_a_policys_status_cant_be_written_what_it_says_counts_all_the_same() -> None:
    async def scenario() -> None:
        server = FakeServer()
        key = Ref("SovereigntyPolicy", "", "confidential")

        async def broken(path: str) -> None:
            if path.endswith("/confidential/status"):
                raise NoAnswer

        server.before = broken
        it = operator(server)
        await it._try(key)
        assert it._store.snapshot().assumed[key]["eligibleNodes"] == 1

    asyncio.run(scenario())


def test_a_promise_ends_with_the_model() -> None:
    async def scenario() -> None:
        server = FakeServer()

        async def lost(path: str) -> None:
            raise NoAnswer

        server.before = lost
        it = operator(server)
        await it._try(X)
        server.before = None
        gone = {**MODELS[0], "metadata": {**MODELS[0]["metadata"], "resourceVersion": "50"}}
        it._store.delete("SovereignModel", gone)
        await it._pass(Y)
        assert placed(server) == {"y"}

    asyncio.run(scenario())


def test_a_second_pass_over_everything_asks_nothing_of_the_api_server() -> None:
    async def scenario() -> None:
        server = FakeServer()
        it = operator(server, policies=[], models=[])
        it._store.apply("SovereigntyPolicy", versioned(World().policies[0]))
        for raw in MODELS:
            it._store.apply("SovereignModel", versioned(raw))
        for key in (X, Y, X, Y):
            await it._pass(key)
        server.asked.clear()
        for key in everything(it._store.snapshot()):
            if key.kind == "SovereignModel":
                await it._pass(key)
        assert server.asked == []

    asyncio.run(scenario())


def test_an_object_of_somebody_else_is_never_changed() -> None:
    async def scenario() -> None:
        server = FakeServer()
        path = "/api/v1/namespaces/treasury/serviceaccounts/x"
        theirs = {"kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "treasury", "labels": {}}}
        server.objects[path] = theirs
        it = operator(server)
        await it._pass(X)
        assert server.objects[path] is theirs
        assert "isn't Daulat's" in it._store.snapshot().reports[X].apply
        assert deployed(server) == []

    asyncio.run(scenario())


def test_what_pods_of_a_former_model_still_have_is_the_next_models() -> None:
    async def scenario() -> None:
        server = FakeServer()
        path = "/apis/networking.k8s.io/v1/namespaces/treasury/networkpolicies/x"
        pods = [{"apiVersion": "v1", "kind": "Pod", "name": "x-1", "uid": "uid-of-x-1"}]
        labels = {"app.kubernetes.io/managed-by": "daulat"}
        meta = {"name": "x", "namespace": "treasury", "labels": labels, "ownerReferences": pods}
        server.objects[path] = {"kind": "NetworkPolicy", "metadata": meta}
        it = operator(server)
        await it._pass(X)
        assert X not in it._store.snapshot().reports
        assert deployed(server) == ["x"]
        (owner,) = server.objects[path]["metadata"]["ownerReferences"]
        assert owner["uid"] == "uid-treasury-x"

    asyncio.run(scenario())


def test_workers_take_many_models_at_once_and_policies_one_by_one() -> None:
    async def scenario() -> None:
        it = operator(FakeServer())
        running: dict[str, int] = {"SovereignModel": 0, "SovereigntyPolicy": 0}
        most = dict(running)

        async def watched(key: Ref) -> None:
            running[key.kind] += 1
            most[key.kind] = max(most[key.kind], running[key.kind])
            await asyncio.sleep(0.01)
            running[key.kind] -= 1

        it._pass = watched  # type: ignore[method-assign]
        for number in range(2 * WORKERS):
            it._queue.add(Ref("SovereignModel", "treasury", f"m{number}"))
        it._serial.add(Ref("SovereigntyPolicy", "", "one"))
        it._serial.add(Ref("SovereigntyPolicy", "", "two"))
        workers = [asyncio.create_task(it._work(it._queue)) for _ in range(WORKERS)]
        workers.append(asyncio.create_task(it._work(it._serial)))
        while it._queue.due() or it._serial.due() or any(running.values()):
            await asyncio.sleep(0.01)
        for worker in workers:
            worker.cancel()
        assert most == {"SovereignModel": WORKERS, "SovereigntyPolicy": 1}

    asyncio.run(scenario())
