"""The server over HTTP: it only reads, answers to its own name alone, isn't cached, and reads the cluster as seldom as it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from daulat.cli.cluster import ClusterUnreadable
from daulat.cli.console.latest import SHARE, Latest
from daulat.cli.console.server import HEADERS, application
from daulat.cli.console.whatif import Simulations
from daulat.console.site import Site
from daulat.kube.errors import NoAnswer
from daulat.simulate.world import Cluster
from tests.unit.console.worlds import busy, site
from tests.unit.status.worlds import NOW, fine

HOST = "127.0.0.1:8765"
Asked = Callable[..., Awaitable[ClientResponse]]


async def no_facts() -> Cluster:
    raise AssertionError("no page here is about a change")


async def fine_site() -> Site:
    return site(fine())


def visit(scenario: Callable[[Asked], Awaitable[None]], read: Callable[[], Awaitable[Site]] = fine_site) -> None:
    """Run a scenario with a function that sends a request."""

    async def run() -> None:
        app = application(Latest(read, 15), Simulations(no_facts, 15), lambda: frozenset({HOST}), lambda: NOW + 5)
        async with TestClient(TestServer(app)) as client:

            async def asked(path: str, method: str = "GET", host: str = HOST) -> ClientResponse:
                return await client.request(method, path, headers={"Host": host}, allow_redirects=False)

            await scenario(asked)

    asyncio.run(run())


def test_pages_are_answered_in_both_languages_with_the_age_of_their_facts() -> None:
    async def scenario(asked: Asked) -> None:
        for path, title in (
            ("/", "Overview"),
            ("/zones.html", "Zones"),
            ("/ms/", "Gambaran"),
            ("/ms/zone/cyberjaya-1.html", "Zon"),
        ):
            answer = await asked(path)
            assert (answer.status, answer.content_type, answer.charset) == (200, "text/html", "utf-8")
            text = await answer.text()
            assert f"<h1>{title}" in text
            assert "5 s" in text
        style = await asked("/style.css")
        assert (style.status, style.content_type) == (200, "text/css")

    visit(scenario)


@pytest.mark.parametrize("path", ["/", "/style.css", "/none.html"])
def test_every_answer_forbids_scripts_frames_and_caches(path: str) -> None:
    async def scenario(asked: Asked) -> None:
        headers = (await asked(path)).headers
        assert {name: headers.get(name) for name in HEADERS} == HEADERS
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert not [name for name in headers if name.lower().startswith("access-control")]

    visit(scenario)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(method: str) -> None:
    async def scenario(asked: Asked) -> None:
        answer = await asked("/", method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")

    visit(scenario)


def test_head_has_the_headers_and_no_page() -> None:
    async def scenario(asked: Asked) -> None:
        answer = await asked("/", "HEAD")
        assert (answer.status, await answer.read()) == (200, b"")
        assert int(answer.headers["Content-Length"]) > 1000

    visit(scenario)


@pytest.mark.parametrize(
    "host", ["attacker.example:8765", "127.0.0.1:8766", "127.0.0.1", "127.0.0.1:8765.attacker.example", ""]
)
def test_a_request_for_another_host_is_refused_and_reads_nothing(host: str) -> None:
    async def never() -> Site:
        raise AssertionError("the cluster was read")

    async def scenario(asked: Asked) -> None:
        answer = await asked("/", host=host)
        assert answer.status == 421
        assert "Overview" not in await answer.text()

    visit(scenario, never)


@pytest.mark.parametrize("path", ["/none.html", "/zone/none.html", "/zone/..%2f..%2fetc%2fpasswd", "/%00", "/<script>"])
def test_a_page_that_isnt_there_is_said_so(path: str) -> None:
    async def scenario(asked: Asked) -> None:
        answer = await asked(path)
        assert answer.status == 404
        text = await answer.text()
        assert "There is no such page" in text
        assert 'href="/style.css"' in text
        assert "<script" not in text

    visit(scenario)


def test_a_cluster_that_cant_be_read_is_said_in_plain_text() -> None:
    async def unreadable() -> Site:
        raise ClusterUnreadable("none of <b>Daulat's</b> kinds can be read")

    async def scenario(asked: Asked) -> None:
        answer = await asked("/")
        assert (answer.status, answer.content_type) == (503, "text/plain")
        assert "none of <b>" in await answer.text()

    visit(scenario, unreadable)


class Reads:
    """A cluster that counts how often it is read, and fails at will. Its clock moves by hand."""

    def __init__(self, took: float = 0.0) -> None:
        self.count, self.now, self.took = 0, 100.0, took
        self.error: Exception | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> Site:
        self.count += 1
        self.now += self.took
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return site(busy())

    def latest(self) -> Latest[Site]:
        return Latest(self, 15, lambda: self.now)


def test_the_cluster_is_read_again_only_when_its_facts_are_older_than_the_interval() -> None:
    reads = Reads()

    async def scenario() -> None:
        latest = reads.latest()
        first, _ = await latest.get()
        reads.now += 14
        assert (await latest.get())[0] is first
        reads.now += 1
        assert (await latest.get())[0] is not first
        assert reads.count == 2

    asyncio.run(scenario())


def test_requests_at_the_same_time_share_one_read() -> None:
    reads = Reads()

    async def scenario() -> None:
        latest = reads.latest()
        found = await asyncio.gather(*(latest.get() for _ in range(20)))
        assert reads.count == 1
        assert len({id(pages) for pages, _ in found}) == 1

    asyncio.run(scenario())


def test_a_cluster_that_takes_long_to_read_is_read_less_often() -> None:
    reads = Reads(took=10)

    async def scenario() -> None:
        latest = reads.latest()
        await latest.get()
        reads.now += SHARE * 10 - 1
        await latest.get()
        assert reads.count == 1
        reads.now += 1
        await latest.get()
        assert reads.count == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [NoAnswer("no route to host"), ClusterUnreadable("no route to host")])
def test_the_last_facts_stay_with_the_problem_when_the_cluster_cant_be_read_any_more(error: Exception) -> None:
    reads = Reads()

    async def scenario() -> None:
        latest = reads.latest()
        first, _ = await latest.get()
        reads.now, reads.error = reads.now + 20, error
        pages, problem = await latest.get()
        assert pages is first
        assert "no route to host" in problem
        reads.now, reads.error = reads.now + 20, None
        pages, problem = await latest.get()
        assert pages is not first
        assert problem == ""

    asyncio.run(scenario())


def test_a_read_that_takes_long_holds_no_request_up_where_there_are_facts() -> None:
    reads = Reads()

    async def scenario() -> None:
        latest = reads.latest()
        first, _ = await latest.get()
        reads.now += 20
        reads.may_end.clear()
        assert (await latest.get(0.01))[0] is first
        assert (await latest.get(0.01))[0] is first
        assert reads.count == 2
        reads.may_end.set()
        assert (await latest.get())[0] is not first
        assert reads.count == 2

    asyncio.run(scenario())


def test_the_first_request_waits_for_facts_however_long_that_takes() -> None:
    reads = Reads()

    async def scenario() -> None:
        reads.may_end.clear()
        request = asyncio.create_task(reads.latest().get(0.01))
        assert await asyncio.wait({request}, timeout=0.1) == (set(), {request})
        reads.may_end.set()
        assert (await request)[0] is not None

    asyncio.run(scenario())
