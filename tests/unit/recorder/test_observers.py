"""What wasn't observed is an entry when that begins and when it is over; what the operator took away is one each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import pytest

from daulat.evidence.draft import Draft
from daulat.evidence.index import Missed
from daulat.evidence.times import rfc3339
from daulat.kube.client import Client
from daulat.kube.errors import NoAnswer
from daulat.kube.resources import Resource
from daulat.recorder import observers as module
from daulat.recorder.observers import Gaps, Observers, State, evicted

NOW = 1_800_000_000.0


def event(uid: str = "e1", message: str = "deleted: a1 stands in no zone of record", **more: Any) -> dict[str, Any]:
    about = {"kind": "Pod", "namespace": "treasury", "name": "p", "uid": "uid-p"}
    return {
        "metadata": {"uid": uid},
        "involvedObject": about,
        "reason": "NodeNotEligible",
        "message": message,
        "eventTime": "2027-01-15T08:00:00.000000Z",
        **more,
    }


def test_a_gap_is_two_entries_and_no_more_however_often_it_is_seen() -> None:
    noted: list[Draft] = []
    gaps = Gaps(noted.extend, lambda: NOW)
    for state in (State(), State("away", NOW - 40), State("still away", NOW - 90), State(), State()):
        gaps.see("Cluster", state)
    assert [(d.kind, d.data) for d in noted] == [
        ("GapOpened", {"of": "Cluster", "since": rfc3339(NOW - 40), "reason": "away"}),
        ("Gap", {"of": "Cluster", "since": rfc3339(NOW - 40), "until": rfc3339(NOW), "reason": "away"}),
    ]


def test_a_gap_that_a_recorder_left_open_is_closed_by_the_next_one() -> None:
    noted: list[Draft] = []
    left = Missed(7, "Cluster", rfc3339(NOW - 40), "", {"reason": "away"})
    gaps = Gaps(noted.extend, lambda: NOW, [left])
    gaps.see("Cluster", State("still away", NOW - 10))
    gaps.see("Cluster", State())
    assert [(d.kind, d.data) for d in noted] == [
        ("Gap", {"of": "Cluster", "since": rfc3339(NOW - 40), "until": rfc3339(NOW), "reason": "away"})
    ]


def test_an_event_that_takes_nothing_away_is_no_eviction() -> None:
    assert evicted(event(message="Placed=True: zone cyberjaya-1")) is None
    found = evicted(event(message="deleted: " + "x" * 2000))
    assert found is not None
    assert len(found.message) == 256
    assert (found.of, found.uid, found.event) == ("Pod", "uid-p", "e1")
    assert evicted(event(message="the workload was deleted after 60s: no zone")) is not None


class FakeClient:
    """Answers with Events and a Lease, or fails."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.lease: dict[str, Any] | None = None
        self.fails = False

    async def pages(self, resource: Resource) -> AsyncIterator[tuple[Sequence[dict[str, Any]], int]]:
        assert resource.fields == "reportingComponent=daulat.dev/operator"
        if self.fails:
            raise NoAnswer("away")
        yield self.events, 1

    async def get(self, path: str) -> dict[str, Any] | None:
        assert path == "/apis/coordination.k8s.io/v1/namespaces/daulat-system/leases/daulat-operator"
        return self.lease


def lease(ago: float, holder: str = "daulat-0") -> dict[str, Any]:
    return {"spec": {"holderIdentity": holder, "renewTime": rfc3339(NOW - ago)}}


async def looks(
    client: FakeClient, states: list[State], steps: list[Any], recorded: Callable[[str], bool] | None = None
) -> list[Draft]:
    """Return what is noted, with one of the steps before each look."""
    noted: list[Draft] = []

    def has(uid: str) -> bool:
        return any(d.data.get("event") == uid for d in noted)

    observers = Observers(
        cast("Client", client), "daulat-system", noted.extend, recorded or has, lambda: states[0], clock=lambda: NOW
    )
    task = asyncio.create_task(observers.run())
    for step in steps:
        step()
        await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return noted


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.001)


def test_an_eviction_is_recorded_once_though_its_event_is_listed_for_an_hour() -> None:
    client = FakeClient()
    client.lease = lease(1)
    client.events = [event("e1"), event("e2", message="Ready=True")]

    def more() -> None:
        client.events = [*client.events, event("e3")]

    noted = asyncio.run(looks(client, [State()], [lambda: None, more]))
    assert [d.data["event"] for d in noted] == ["e1", "e3"]


def test_an_eviction_is_recorded_once_though_the_log_can_not_be_asked_for_a_while() -> None:
    client, is_open = FakeClient(), [True]
    client.lease, client.events = lease(1), [event("e1")]

    def closed() -> None:
        is_open[0] = False

    assert asyncio.run(looks(client, [State()], [lambda: None, closed], lambda uid: is_open[0])) == []


def test_an_operator_that_does_not_renew_its_lease_is_a_gap_and_its_return_ends_it() -> None:
    client = FakeClient()
    client.lease = lease(61)

    def returns() -> None:
        client.lease = lease(1)

    noted = asyncio.run(looks(client, [State()], [lambda: None, returns]))
    assert [(d.kind, d.data["of"], d.data["since"]) for d in noted] == [
        ("GapOpened", "Operator", rfc3339(NOW - 61)),
        ("Gap", "Operator", rfc3339(NOW - 61)),
    ]


def test_an_api_server_that_does_not_answer_is_a_gap_and_ends_no_look() -> None:
    client = FakeClient()
    client.lease, client.fails = lease(1), True
    states = [State("the API server doesn't answer", NOW - 31)]

    def answers() -> None:
        client.fails, client.events = False, [event("e1")]
        states[0] = State()

    noted = asyncio.run(looks(client, states, [lambda: None, answers]))
    assert [d.kind for d in noted] == ["GapOpened", "Gap", "Evicted"]
