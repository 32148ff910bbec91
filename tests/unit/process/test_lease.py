"""Who may write, and when: a lease that can't be renewed for a while, and one that another replica took."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from daulat.kube.errors import NoAnswer
from daulat.process import lease as module
from daulat.process.lease import Lease


class FakeServer:
    """An API server with one Lease, which can be away."""

    def __init__(self) -> None:
        self.away = False
        self.lease: dict[str, Any] | None = None
        self.asked = 0

    async def get(self, path: str) -> dict[str, Any] | None:
        self.asked += 1
        if self.away:
            raise NoAnswer("connection refused")
        return self.lease

    async def request(self, method: str, path: str, body: dict[str, Any]) -> None:
        version = str(int(self.lease["metadata"]["resourceVersion"]) + 1 if self.lease else 1)
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW", 0.01)
    monkeypatch.setattr(module, "RETRY", 0.01)
    monkeypatch.setattr(module, "DEADLINE", 0.1)


async def _until(question: Any) -> None:
    async with asyncio.timeout(5):
        while not question():
            await asyncio.sleep(0.005)


def test_a_leader_goes_on_after_the_api_server_was_away_and_begins_nothing_meanwhile() -> None:
    async def scenario() -> None:
        server = FakeServer()
        lease = Lease(server, "daulat-system", "one", "daulat-operator")  # type: ignore[arg-type]
        await lease.acquire()
        keeper = asyncio.create_task(lease.keep())
        server.away = True
        await _until(lambda: not lease.held())
        waiting = asyncio.create_task(lease.good())
        asked = server.asked
        await _until(lambda: server.asked > asked + 2)
        assert not waiting.done()
        assert not keeper.done()
        server.away = False
        await asyncio.wait_for(waiting, 5)
        assert lease.held()
        assert not keeper.done()
        keeper.cancel()

    asyncio.run(scenario())


def test_a_leader_whose_lease_another_took_meanwhile_ends() -> None:
    async def scenario() -> None:
        server = FakeServer()
        lease = Lease(server, "daulat-system", "one", "daulat-operator")  # type: ignore[arg-type]
        await lease.acquire()
        keeper = asyncio.create_task(lease.keep())
        server.away = True
        await _until(lambda: not lease.held())
        assert server.lease is not None
        server.lease["spec"]["holderIdentity"] = "two"
        server.lease["metadata"]["resourceVersion"] = "9"
        server.away = False
        await asyncio.wait_for(keeper, 5)
        assert not lease.held()

    asyncio.run(scenario())
