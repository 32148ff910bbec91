"""Keys that are worked on one by one keep no worker from the others."""

from __future__ import annotations

import asyncio

import pytest

from daulat.operator.leader import WORKERS
from tests.unit.world import World, namespace, policy

from .cluster import Cluster, serve
from .scenarios import MODEL
from .server import Asked
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")


def test_policies_that_wait_for_an_answer_for_ever_hold_up_no_model_and_no_node() -> None:
    async def scenario() -> None:
        others = [policy(f"p{n}", namespaceSelector={"matchLabels": {"team": f"t{n}"}}) for n in range(2 * WORKERS)]
        spaces = [namespace(f"n{n}", team=f"t{n}") for n in range(2 * WORKERS)]
        world = World()
        served = World(policies=[*world.policies, *others], namespaces=[*world.namespaces, *spaces])
        server = serve(served, guarded=True)
        cluster = Cluster(server)
        waiting = 0

        async def hook(asked: Asked) -> None:
            nonlocal waiting
            if "admissionregistration" in asked.path and asked.writes:
                waiting += 1
                await asyncio.Event().wait()

        server.before = hook
        await cluster.start()
        await cluster.settle(60)
        assert waiting == 1
        assert cluster.leader._serial.due() >= 2 * WORKERS
        assert [p for p in server.objects if p.endswith("/deployments/deepseek")]
        assert all("zone" in str(o["metadata"]["labels"]) for o in server.objects.values() if o["kind"] == "Node")
        assert MODEL not in cluster.leader._queue._in_flight
        await cluster.stop()

    run(scenario())
