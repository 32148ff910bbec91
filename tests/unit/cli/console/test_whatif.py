"""Simulations of the console: one at a time, one for each reader, for a limited time, and off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from multiprocessing import active_children

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from daulat.cli.cluster import ClusterUnreadable
from daulat.cli.console.latest import Latest
from daulat.cli.console.server import application
from daulat.cli.console.whatif import LASTS, WAITING, Facts, Simulations, deadline, in_advance, work_apart
from daulat.cli.simulation import Incomplete
from daulat.console.further import Further
from daulat.console.site import Site
from daulat.console.whatif import Answer, Choice, State, TooLong, What, WhatIf, work_out
from daulat.simulate.compare import Outcome
from daulat.simulate.run import Progress
from daulat.simulate.world import Cluster
from tests.unit.console.worlds import site
from tests.unit.simulate.worlds import NOW, cluster, two_zones
from tests.unit.status.worlds import fine

FACTS = Cluster((), NOW)
SAME = Outcome(1, True, 0, 1, (), (), (), (), (), (), 0)
HOST = "127.0.0.1:8765"


def zone(name: str) -> Choice:
    return Choice(What.ZONE, name)


class Work:
    """Simulations that last until they are let go. It counts how many run at a time."""

    def __init__(self, *, held: bool = True) -> None:
        self.began: list[str] = []
        self.most = self._running = 0
        self._lock, self._go = threading.Lock(), threading.Event()
        self.thread = 0
        if not held:
            self._go.set()

    def let_go(self) -> None:
        self._go.set()

    def __call__(self, choice: Choice, facts: Cluster, progress: Progress) -> Answer:
        with self._lock:
            self.began.append(choice.name)
            self._running += 1
            self.most = max(self.most, self._running)
        self.thread = threading.get_ident()
        while not self._go.wait(0.01):
            progress(0, 0.0)
        with self._lock:
            self._running -= 1
        return Answer(State.DONE, facts.now, SAME, why=choice.name)


async def read() -> Facts:
    return FACTS


def simulations(work: Work, **more: float) -> Simulations:
    return Simulations(read, 15, work=work, **{"patience": 0.05, **more})  # type: ignore[arg-type]


async def until_done(asked: Callable[[], Awaitable[Answer]]) -> Answer:
    async with asyncio.timeout(60):
        while (found := await asked()).state in (State.RUNNING, State.OTHER, State.BUSY):
            pass
    return found


def test_an_outcome_is_worked_out_off_the_event_loop_and_kept_for_a_while() -> None:
    async def scenario() -> None:
        work, clock = Work(held=False), [0.0]
        kept = Simulations(read, 15, work=work, clock=lambda: clock[0])
        first = await kept.answer(zone("a"), "one")
        assert (first.state, first.at, first.why) == (State.DONE, NOW, "a")
        assert work.thread != threading.get_ident()
        clock[0] = LASTS - 1
        assert await kept.answer(zone("a"), "two") is first
        clock[0] = LASTS + 1
        assert await kept.answer(zone("a"), "two") is not first
        assert work.began == ["a", "a"]

    asyncio.run(scenario())


def test_one_simulation_runs_at_a_time_and_others_wait() -> None:
    async def scenario() -> None:
        work = Work()
        kept = simulations(work)
        for name in "abc":
            assert (await kept.answer(zone(name), name)).state is State.RUNNING
        assert work.began == ["a"]
        work.let_go()
        for name in "abc":
            assert (await until_done(lambda name=name: kept.answer(zone(name), name))).why == name  # type: ignore[misc]
        assert work.most == 1

    asyncio.run(scenario())


def test_a_reader_has_one_simulation_at_a_time() -> None:
    async def scenario() -> None:
        work = Work()
        kept = simulations(work)
        assert (await kept.answer(zone("a"), "one")).state is State.RUNNING
        other = await kept.answer(zone("b"), "one")
        assert (other.state, other.other) == (State.OTHER, zone("a"))
        # Another reader of the same change shares the simulation, and may have one of their own.
        assert (await kept.answer(zone("a"), "two")).state is State.RUNNING
        assert (await kept.answer(zone("b"), "two")).state is State.RUNNING
        work.let_go()
        assert (await until_done(lambda: kept.answer(zone("b"), "one"))).why == "b"
        assert sorted(work.began) == ["a", "b"]

    asyncio.run(scenario())


def test_so_many_simulations_wait_and_no_more() -> None:
    async def scenario() -> None:
        work = Work()
        kept = simulations(work, patience=0.001)
        states = [(await kept.answer(zone(str(n)), str(n))).state for n in range(WAITING + 1)]
        assert states == [State.RUNNING] * WAITING + [State.BUSY]
        work.let_go()

    asyncio.run(scenario())


def test_a_simulation_that_takes_too_long_is_ended_and_the_next_one_runs() -> None:
    async def scenario() -> None:
        clock, ended = [0.0], asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(choice: Choice, facts: Cluster, progress: Progress) -> Answer:
            clock[0] += 100
            try:
                progress(200, 0.0)
            except TooLong as error:
                loop.call_soon_threadsafe(ended.set)
                return Answer(State.LONG, facts.now, why=str(error))
            return Answer(State.DONE, facts.now, SAME)

        kept = Simulations(read, 15, limit=90, clock=lambda: clock[0], work=work)
        found = await kept.answer(zone("a"), "one")
        assert (found.state, ended.is_set()) == (State.LONG, True)
        assert "longer than 90 s" in found.why
        assert (await kept.answer(zone("b"), "one")).state is State.LONG

    asyncio.run(scenario())


def test_a_real_simulation_is_ended_between_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every step of the simulation would be the two hundredth.
    monkeypatch.setattr("daulat.simulate.run.STEP", 1)
    found = in_advance([zone("kulim-1")], cluster(two_zones()), lambda done, name: None, limit=-1)
    assert found.answers["whatif/zone/kulim-1.html"].state is State.LONG


def test_a_simulation_in_a_process_of_its_own_gives_the_same_outcome_and_can_be_ended_at_any_moment() -> None:
    choice, facts = zone("kulim-1"), cluster(two_zones())
    assert work_apart(choice, facts, lambda passes, virtual: None) == work_out(choice, facts, lambda *_: None)
    ended = work_apart(choice, facts, deadline(-1))
    assert (ended.state, ended.outcome) == (State.LONG, None)
    assert active_children() == []


def test_a_process_that_ends_without_an_answer_is_a_failure() -> None:
    def kill(passes: int, virtual: float) -> None:
        for child in active_children():
            child.kill()

    with pytest.raises(EOFError):
        work_apart(zone("kulim-1"), cluster(two_zones()), kill)


def test_ending_the_server_ends_the_simulation_that_runs() -> None:
    async def scenario() -> None:
        work = Work()
        kept = simulations(work)
        assert (await kept.answer(zone("a"), "one")).state is State.RUNNING
        kept.close()

    # The event loop waits for its threads in the end, and this one would never be let go.
    asyncio.run(scenario())


def test_a_simulation_that_fails_says_so_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        def work(choice: Choice, facts: Cluster, progress: Progress) -> Answer:
            raise RuntimeError("a bug")

        kept = Simulations(read, 15, work=work)
        assert (await kept.answer(zone("a"), "one")).state is State.FAILED
        assert (await kept.answer(zone("b"), "one")).state is State.FAILED

    asyncio.run(scenario())
    assert "a bug" in caplog.text


@pytest.mark.parametrize("incomplete", [True, False])
def test_facts_that_arent_whole_give_no_outcome(incomplete: bool) -> None:
    async def unread() -> Facts:
        if incomplete:
            return Incomplete({"Pod": "forbidden"})
        raise ClusterUnreadable("no route to host")

    async def scenario() -> None:
        work = Work(held=False)
        found = await Simulations(unread, 15, work=work).answer(zone("a"), "one")
        assert found.outcome is None
        assert work.began == []
        if incomplete:
            assert (found.state, found.kinds) == (State.UNREAD, {"Pod": "forbidden"})
        else:
            assert (found.state, found.why) == (State.UNREADABLE, "no route to host")

    asyncio.run(scenario())


# --- over HTTP

Asked = Callable[..., Awaitable[ClientResponse]]


@asynccontextmanager
async def served(kept: Simulations) -> AsyncIterator[Asked]:
    async def pages() -> Site:
        return site(fine(), further=Further(whatif=WhatIf(live=True)))

    app = application(Latest(pages, 15), kept, lambda: frozenset({HOST}), lambda: NOW + 5)
    async with TestClient(TestServer(app)) as client:

        async def asked(path: str, method: str = "GET", **headers: str) -> ClientResponse:
            return await client.request(method, path, headers={"Host": HOST, **headers}, allow_redirects=False)

        yield asked


def test_the_server_shows_the_outcome_of_the_change_that_a_page_is_about() -> None:
    async def facts() -> Facts:
        return cluster(fine())

    async def scenario() -> None:
        async with served(Simulations(facts, 15, patience=600)) as asked:
            page = await (await asked("/ms/whatif/zone/cyberjaya-1.html")).text()
            assert "Ada yang menjadi lebih buruk" in page
            assert "berusia 5 s" in page
            assert "daulat simulate --revoke-zone cyberjaya-1 --cluster" in page
            assert (await asked("/whatif/zone/none.html")).status == 404
            assert (await asked("/whatif/zone/cyberjaya-1.html", "POST")).status == 405

    asyncio.run(scenario())


def test_other_pages_are_answered_while_a_simulation_runs() -> None:
    async def scenario() -> None:
        work = Work()
        async with served(simulations(work)) as asked:
            first = await asked("/whatif/zone/cyberjaya-1.html")
            assert first.status == 202
            assert 'href="../../whatif/zone/cyberjaya-1.html">Open this page again' in await first.text()
            assert (await asked("/zones.html")).status == 200
            other = await asked("/whatif/node/a1.html")
            assert other.status == 429
            assert "What if a zone is revoked:" in await other.text()
            assert work.began == ["cyberjaya-1"]
            work.let_go()

    asyncio.run(scenario())


@pytest.mark.parametrize("sent", ["cross-site", "same-site"])
def test_a_page_of_another_site_starts_nothing(sent: str) -> None:
    async def scenario() -> None:
        work = Work(held=False)
        async with served(simulations(work)) as asked:
            page = await asked("/whatif/zone/cyberjaya-1.html", **{"Sec-Fetch-Site": sent})
            assert "No simulation is started for other sites" in await page.text()
            assert work.began == []

    asyncio.run(scenario())


def test_pages_that_are_about_no_change_start_nothing() -> None:
    async def scenario() -> None:
        work = Work(held=False)
        async with served(simulations(work)) as asked:
            for path in ("/", "/zones.html", "/whatif.html", "/whatif-nodes.html", "/whatif/policy/confidential.html"):
                assert (await asked(path)).status == 200
            assert work.began == []

    asyncio.run(scenario())
