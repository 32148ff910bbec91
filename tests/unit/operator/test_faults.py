"""Whatever request fails, in whatever way: the next passes bring everything to where it ends without a failure, nothing is made
twice and nothing is evicted twice."""

from __future__ import annotations

import pytest

from daulat.kube.errors import NoAnswer

from .cluster import Cluster, serve
from .controllers import Deployments
from .scenarios import RESTS, SCENARIOS, Scenario, difference, state
from .server import Asked, FakeServer, refusal
from .virtual import run

pytestmark = pytest.mark.usefixtures("virtual_time")

FAULTS = ("no answer", "lost answer", "429", "500", "403", "409", "422")
"""A request that wasn't carried out and one that was, of both of which nobody knows, and what the API server may answer."""


class Fault:
    """Fails one request, counted from one; none where the number is zero."""

    def __init__(self, server: FakeServer, fault: str, number: int) -> None:
        self._fault, self._number, self.seen, self.failed = fault, number, 0, ""
        server.before, server.after = self._before, self._after

    async def _before(self, asked: Asked) -> None:
        self.seen += 1
        if self.seen == self._number and self._fault != "lost answer":
            self.failed = str(asked)
            raise NoAnswer("timed out") if self._fault == "no answer" else refusal(int(self._fault))

    async def _after(self, asked: Asked) -> None:
        if self.seen == self._number and self._fault == "lost answer" and not self.failed:
            self.failed = str(asked)
            raise NoAnswer("timed out")


async def _once(scenario: Scenario, cluster: Cluster, fault: str, number: int) -> tuple[Fault, list[str]]:
    """Let it happen with one failure. Return what failed, and what was done twice."""
    server = cluster.server
    server.made.clear()
    scenario.happens(server)
    server.evicted.clear()
    failing = Fault(server, fault, number)
    await cluster.settle(scenario.lasts)
    server.before = server.after = None
    if failing.failed:
        await cluster.settle(40)  # What failed last is tried again, too.
    twice = [path for path, times in server.made.items() if times > 1 and "/pods/" not in path]
    twice += [uid for uid, times in server.evicted.items() if times > 1]
    return failing, twice


async def _back(scenario: Scenario, cluster: Cluster) -> None:
    scenario.undone(cluster.server)
    await cluster.settle(scenario.rests)


def has_turn(number: int, requests: int, fault: str) -> bool:
    """Say whether this request is to fail in this way: every one does in some way, and of many alike a few in every way."""
    middle = 6 < number < requests - 8
    return not middle or number % len(FAULTS) == FAULTS.index(fault)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_next_passes_heal_whatever_request_failed(scenario: Scenario, fault: str) -> None:
    async def scenes() -> None:
        server = serve(scenario.world())
        Deployments(server)
        cluster = Cluster(server)
        await cluster.start()
        await cluster.settle(RESTS)
        server.asked.clear()
        unharmed, _ = await _once(scenario, cluster, fault, 0)
        untried = {str(a) for a in server.asked if a.writes}
        after = state(server)
        assert unharmed.seen > 0
        await _back(scenario, cluster)
        before = state(server)
        number, tried = 0, Fault(server, fault, 0)
        while number == 0 or tried.failed or number < unharmed.seen:
            number += 1
            if not has_turn(number, unharmed.seen, fault):
                continue
            tried, twice = await _once(scenario, cluster, fault, number)
            untried.discard(tried.failed)
            assert difference(after, state(server)) == [], tried.failed
            assert twice == [], tried.failed
            assert not cluster.store.snapshot().reports, tried.failed
            await _back(scenario, cluster)
            assert difference(before, state(server)) == [], tried.failed
        assert untried == set() or unharmed.seen > 14
        await cluster.stop()

    run(scenes())
