"""Passes of the operator: decisions follow each other, writes overlap, and a write that fails gives nothing away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from daulat.api.model import SovereignModelStatus
from daulat.api.status import read_status
from daulat.kube.errors import NoAnswer
from daulat.kube.ref import Ref
from daulat.operator.leader import WORKERS, Leader
from daulat.placement.current_placement import placement_of
from daulat.reconcile.registry import everything
from tests.unit.world import ASCEND, World, ascend, choice, model

from .cluster import Cluster, serve
from .server import Asked, FakeServer
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")

X, Y = (Ref("SovereignModel", "treasury", name) for name in "xy")


MODELS = [model(name, accelerators=[choice(ASCEND, 8)]) for name in "xy"]


def cluster(**world: Any) -> FakeServer:
    """Return a server that has room for one of the two models."""
    return serve(World(**{"nodes": [ascend("a1")], "models": MODELS, **world}), guarded=True)


async def operator(server: FakeServer) -> Leader:
    """Return a leader that knows the cluster."""
    found = Cluster(server)
    await found.list()
    server.asked.clear()
    return found.leader


def placed(server: FakeServer) -> set[str]:
    """Return the models whose status says that they have a place."""
    found = {path.rsplit("/", 1)[1]: o for path, o in server.objects.items() if "sovereignmodels" in path}
    return {name for name, o in found.items() if placement_of(read_status(SovereignModelStatus, o.get("status")))}


def deployed(server: FakeServer) -> list[str]:
    return [path.rsplit("/", 1)[1] for path in server.objects if "/deployments/" in path]


def test_the_promise_is_written_down_before_anything_is_made() -> None:
    async def scenario() -> None:
        server = cluster()
        await (await operator(server))._pass(X)
        paths = [asked.path for asked in server.asked if asked.verb == "apply"]
        assert paths[0].endswith("/sovereignmodels/x/status")
        assert paths[-1].endswith("/deployments/x")

    run(scenario())


def test_while_a_status_is_being_written_its_devices_are_given_to_nobody_else() -> None:
    async def scenario() -> None:
        server = cluster()
        release = asyncio.Event()

        async def slow(asked: Asked) -> None:
            if asked.path.endswith("/x/status"):
                await release.wait()

        it = await operator(server)
        server.before = slow
        first = asyncio.create_task(it._pass(X))
        await asyncio.sleep(0)
        await it._pass(Y)
        assert deployed(server) == []
        release.set()
        await first
        assert placed(server) == {"x"}
        assert deployed(server) == ["x"]

    run(scenario())


def test_where_a_status_may_or_may_not_be_written_nothing_is_made_and_its_devices_stay_promised() -> None:
    async def scenario() -> None:
        server = cluster()

        async def lost(asked: Asked) -> None:
            if asked.path.endswith("/x/status"):
                raise NoAnswer

        it = await operator(server)
        server.before = lost
        await it._try(X)
        await it._pass(Y)
        assert deployed(server) == []
        assert placed(server) == set()
        server.before = None
        await it._pass(X)
        assert placed(server) == {"x"}

    run(scenario())


def test_where_a_policys_status_cant_be_written_what_it_says_counts_all_the_same() -> None:
    async def scenario() -> None:
        server = cluster()
        key = Ref("SovereigntyPolicy", "", "confidential")

        async def broken(asked: Asked) -> None:
            if asked.path.endswith("/confidential/status"):
                raise NoAnswer

        it = await operator(server)
        server.before = broken
        await it._try(key)
        policy = it._store.snapshot().known_policies["confidential"]
        assert policy.status.eligible_nodes is None
        assert it._store.snapshot().latest_status(key, policy).eligible_nodes == 1

    run(scenario())


def test_a_promise_ends_with_the_model() -> None:
    async def scenario() -> None:
        server = cluster()

        async def lost(asked: Asked) -> None:
            raise NoAnswer

        it = await operator(server)
        server.before = lost
        await it._try(X)
        server.before = None
        gone = {**MODELS[0], "metadata": {**MODELS[0]["metadata"], "resourceVersion": "1000"}}
        it._store.delete("SovereignModel", gone)
        await it._pass(Y)
        assert placed(server) == {"y"}

    run(scenario())


def test_a_second_pass_over_everything_asks_nothing_of_the_api_server() -> None:
    async def scenario() -> None:
        server = cluster()
        it = await operator(server)
        for key in (X, Y, X, Y):
            await it._pass(key)
        server.asked.clear()
        for key in everything(it._store.snapshot()):
            if key.kind == "SovereignModel":
                await it._pass(key)
        assert server.asked == []

    run(scenario())


def test_an_object_of_somebody_else_is_never_changed() -> None:
    async def scenario() -> None:
        server = cluster()
        path = "/api/v1/namespaces/treasury/serviceaccounts/x"
        theirs = server.put("ServiceAccount", {"metadata": {"name": "x", "namespace": "treasury", "labels": {}}})
        it = await operator(server)
        await it._pass(X)
        assert server.objects[path] == theirs
        assert "isn't Daulat's" in it._store.snapshot().reports[X].apply
        assert deployed(server) == []

    run(scenario())


def test_what_pods_of_a_former_model_still_have_is_the_next_models() -> None:
    async def scenario() -> None:
        server = cluster()
        path = "/apis/networking.k8s.io/v1/namespaces/treasury/networkpolicies/x"
        pods = [{"apiVersion": "v1", "kind": "Pod", "name": "x-1", "uid": "uid-of-x-1"}]
        labels = {"app.kubernetes.io/managed-by": "daulat"}
        meta = {"name": "x", "namespace": "treasury", "labels": labels, "ownerReferences": pods}
        await server.apply(path, {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta})
        it = await operator(server)
        await it._pass(X)
        assert X not in it._store.snapshot().reports
        assert deployed(server) == ["x"]
        (owner,) = server.objects[path]["metadata"]["ownerReferences"]
        assert owner["uid"] == "uid-treasury-x"

    run(scenario())


def test_workers_take_many_models_at_once_and_policies_one_by_one() -> None:
    async def scenario() -> None:
        it = await operator(cluster())
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

    run(scenario())
