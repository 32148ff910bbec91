"""Facts come from full lists and from watches; a watch that says nothing while lists bring news counts as dead."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from daulat.catalog.kubernetes import Capabilities, Minor, Pin, observed, of_version
from daulat.facts.change import Change
from daulat.facts.store import KUBERNETES, Store
from daulat.kube.client import Client
from daulat.kube.errors import Forbidden, NotFound, ServerError
from daulat.kube.page import Listed
from daulat.kube.ref import Ref
from daulat.kube.resources import REGISTRY, WATCHED, Resource
from daulat.mirror import gaps
from daulat.mirror import informer as module
from daulat.mirror.feed import Feed
from daulat.mirror.informer import Informer
from daulat.mirror.registrations import DEFINITIONS
from tests.unit.discovery import aggregated, discovery
from tests.unit.lists import Lists


class FakeClient(Lists):
    """Lists namespaces only; each list brings one more."""

    def __init__(self, error: Exception | None = None, **failures: int) -> None:
        self.lists, self.failures, self.asked = 0, Counter(failures), Counter[str]()
        self.error = error or ServerError(500, "InternalError", "not now")

    async def pages(self, resource: Resource) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
        """Yield one more namespace at each call, each on a page of its own, or fail."""
        self.asked[resource.kind] += 1
        if self.failures[resource.kind]:
            self.failures[resource.kind] -= 1
            raise self.error
        if resource.kind != "Namespace":
            yield [], 1
            return
        self.lists += 1
        for n in range(self.lists):
            yield [_namespace(f"ns-{n}", n + 1)], self.lists + 1

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        """Answer what the API server offers."""
        found = discovery(path)
        assert method == "GET"
        assert found is not None
        return found


def _namespace(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def _gone(changed: list[Change]) -> list[str]:
    return [change.ref.name for change in changed if change.after is None]


def _informer(client: FakeClient, changed: list[Change]) -> Informer:
    return Informer(cast("Client", client), Store("daulat-system"), changed.append)


def test_facts_are_synced_once_every_kind_was_listed_in_full() -> None:
    async def scenario() -> None:
        changed: list[Change] = []
        informer = _informer(FakeClient(), changed)
        assert not informer.synced.is_set()
        await informer.sync()
        assert informer.synced.is_set()
        assert [change.ref for change in changed] == [Ref("Namespace", "", "ns-0")]

    asyncio.run(scenario())


def test_a_list_reads_only_the_objects_that_arent_known(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = Listed.read

    def counting(listed: Listed) -> dict[str, Any]:
        read.append(listed.name)
        return whole(listed)

    monkeypatch.setattr(Listed, "read", counting)

    async def scenario() -> None:
        informer = _informer(FakeClient(), [])
        await informer.sync()
        for _ in range(2):  # Each list brings one more.
            await informer.relist()

    asyncio.run(scenario())
    assert read == ["ns-0", "ns-1", "ns-2"]


@pytest.mark.parametrize("listed", [["ns-1"], []], ids=["others are listed", "nothing is listed"])
def test_what_is_deleted_before_a_stream_begins_is_found_within_seconds(
    listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event tells of it: the stream begins with a list of what there is."""
    monkeypatch.setattr(module, "POLL", 0.01)
    monkeypatch.setattr(gaps, "QUIET", 0.05)
    monkeypatch.setattr(gaps, "EMPTY", 0.05)
    there = {"ns-0": _namespace("ns-0", 1), "ns-1": _namespace("ns-1", 2)}

    class Shrinking(FakeClient):
        async def pages(self, resource: Resource) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
            self.asked[resource.kind] += 1
            yield (list(there.values()) if resource.kind == "Namespace" else []), 10

    async def scenario() -> None:
        client, changed = Shrinking(), list[Change]()
        informer = _informer(client, changed)
        await informer.sync()
        for name in [*there]:
            if name not in listed:
                del there[name]
        polling = asyncio.create_task(informer.poll())
        informer.streams_begin()
        for item in there.values():
            informer.take("Namespace", None, item)
        expected = [name for name in ("ns-0", "ns-1") if name not in listed]
        deadline = asyncio.get_running_loop().time() + 5
        while len(_gone(changed)) < len(expected) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        polling.cancel()
        assert _gone(changed) == expected
        # A kind of which nothing is missing isn't listed again.
        assert client.asked["Node"] == 1

    asyncio.run(scenario())


def test_a_watch_that_says_nothing_while_lists_bring_news_is_dead() -> None:
    async def scenario() -> None:
        informer = _informer(FakeClient(), [])
        await informer.sync()
        await informer.relist()
        assert informer.stalled() == []
        await informer.relist()
        assert informer.stalled() == ["Namespace"]

    asyncio.run(scenario())


def test_a_watch_that_delivers_is_alive_whatever_lists_bring() -> None:
    async def scenario() -> None:
        client = FakeClient()
        informer = _informer(client, [])
        await informer.sync()
        for _ in range(4):
            informer.take("Namespace", "ADDED", _namespace("other", 100 + client.lists))
            await informer.relist()
        assert informer.stalled() == []

    asyncio.run(scenario())


def test_a_version_that_is_known_already_costs_no_question_who_answers() -> None:
    """As the watch brings each status that the operator writes, once more."""

    async def scenario() -> None:
        client, changed = FakeClient(), list[Change]()
        store = Store("daulat-system")
        informer = Informer(cast("Client", client), store, changed.append)
        await informer.sync()
        zone = {"metadata": {"name": "z", "uid": "u", "resourceVersion": "50"}, "spec": {"country": "MY"}}
        store.apply("SovereignZone", zone)
        before = client.asked["APIService"]
        informer.take("SovereignZone", "MODIFIED", zone)
        await asyncio.sleep(0.01)
        assert client.asked["APIService"] == before
        later = {**zone, "metadata": {**zone["metadata"], "resourceVersion": "51"}}
        for event, made in (("MODIFIED", later), ("DELETED", later)):
            informer.take("SovereignZone", event, made)
            await asyncio.sleep(0.01)
        assert client.asked["APIService"] == before + 2
        assert not store.snapshot().zones

    asyncio.run(scenario())


def test_an_object_that_trips_a_defect_stops_nothing_and_its_body_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        changed: list[Change] = []
        informer = _informer(FakeClient(), changed)
        informer.take("Namespace", "ADDED", {"metadata": {"name": "bad", "labels": 7, "annotations": "s3cret"}})
        informer.take("Namespace", "ADDED", _namespace("good", 5))
        assert [change.ref for change in changed] == [Ref("Namespace", "", "good")]

    asyncio.run(scenario())
    assert "could not read an object" in caplog.text
    assert "s3cret" not in str([vars(r) for r in caplog.records])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "LAST_PAUSE", 0.004)


@pytest.mark.usefixtures("quick")
def test_a_kind_that_cant_be_listed_is_tried_again_by_itself() -> None:
    async def scenario() -> None:
        client = FakeClient(Node=3)
        informer = _informer(client, [])
        await informer.sync()
        assert client.asked["Node"] == 4
        # Those of Daulat's own kinds are empty, which counts once a second list agrees.
        others = {kind: times for kind, times in client.asked.items() if kind not in {"APIService", *module.OWN}}
        assert {kind: times for kind, times in others.items() if times != 1} == {"Node": 4}

    asyncio.run(scenario())


@pytest.mark.usefixtures("quick")
def test_an_optional_kind_that_fails_keeps_nothing_up_and_is_named_as_unlisted() -> None:
    async def scenario() -> None:
        client = FakeClient(HTTPRoute=2)
        store = Store("daulat-system")
        informer = Informer(cast("Client", client), store, lambda change: None)
        await informer.sync()
        assert store.snapshot().unlisted == {"HTTPRoute"}
        async with asyncio.timeout(5):
            while store.snapshot().unlisted:
                await asyncio.sleep(0.001)
        assert store.snapshot().serves("HTTPRoute")

    asyncio.run(scenario())


@pytest.mark.usefixtures("quick")
def test_an_optional_kind_whose_list_is_refused_is_named_until_it_is_listed() -> None:
    async def scenario() -> None:
        store = Store("daulat-system")
        client = FakeClient(Forbidden(403, "Forbidden", "cannot list resource"), HTTPRoute=2)
        await Informer(cast("Client", client), store, lambda change: None).sync()
        assert store.snapshot().refused == {"HTTPRoute"}
        async with asyncio.timeout(5):
            while store.snapshot().unlisted:
                await asyncio.sleep(0.001)
        assert store.snapshot().refused == frozenset()

    asyncio.run(scenario())


@pytest.mark.usefixtures("quick")
def test_an_optional_kind_whose_list_fails_again_and_again_counts_as_refused_until_it_is_listed() -> None:
    """An error of the API server that lasts isn't a start: what depends on the kind is decided without it."""
    told: list[frozenset[str]] = []

    async def scenario() -> None:
        store = Store("daulat-system")
        client = FakeClient(HTTPRoute=module.OVERDUE + 2)
        late = Informer(
            cast("Client", client),
            store,
            lambda change: None,
            listed_late=lambda: told.append(store.snapshot().refused),
        )
        await late.sync()
        assert store.snapshot().refused == frozenset()
        async with asyncio.timeout(5):
            while store.snapshot().unlisted:
                await asyncio.sleep(0.001)
        assert told == [{"HTTPRoute"}, frozenset()]
        # One that was listed and fails later is listed all the same.
        client.failures["HTTPRoute"] = 2 * module.OVERDUE
        for _ in range(2 * module.OVERDUE):
            await late.relist()
        assert (store.snapshot().unlisted, store.snapshot().refused) == (frozenset(), frozenset())

    asyncio.run(scenario())


def test_an_optional_kind_that_isnt_served_is_no_failure() -> None:
    async def scenario() -> None:
        store = Store("daulat-system")
        client = FakeClient(NotFound(404, "NotFound", "the server could not find the requested resource"), HTTPRoute=1)
        await Informer(cast("Client", client), store, lambda change: None).sync()
        assert not store.snapshot().serves("HTTPRoute")
        assert store.snapshot().unlisted == frozenset()

    asyncio.run(scenario())


def test_a_list_that_fails_halfway_takes_nothing_away() -> None:
    async def scenario() -> None:
        client = FakeClient()
        store = Store("daulat-system")
        informer = Informer(cast("Client", client), store, lambda change: None)
        await informer.sync()
        client.failures["Namespace"] = 1
        await informer.relist()
        assert set(store.snapshot().namespaces) == {"ns-0"}

    asyncio.run(scenario())


class _Upgraded(FakeClient):
    """An API server that is upgraded: what it answers is told beforehand, the last answer for ever."""

    def __init__(self, *answers: tuple[str, str]) -> None:
        super().__init__()
        self.answers = [*answers]
        self.versions: list[str] = []

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        """Answer version and groups by turns."""
        if path.startswith(f"{DEFINITIONS}/"):
            return {"metadata": {"uid": "definition"}}
        version, mutating = self.answers[0]
        if path == "/version":
            return {"gitVersion": version}
        if len(self.answers) > 1:
            self.answers.pop(0)
        kinds = [r for r in REGISTRY if not r.plural.startswith("mutating")]
        kinds += [replace(r, version=mutating) for r in REGISTRY if r.plural.startswith("mutating") and mutating]
        return aggregated(kinds)

    async def pages(self, resource: Resource) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
        """List nothing, and note in which version it was requested."""
        if resource.kind == "MutatingAdmissionPolicy":
            self.versions.append(resource.version)
        yield [], 1


OLD, BETA, NEW = ("v1.34.1", ""), ("v1.35.1", "v1beta1"), ("v1.36.1", "v1")


def _after(monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, str]) -> tuple[_Upgraded, list[Change], Store]:
    """Follow an API server until it serves a kind in another version; the first answer is for the start."""
    monkeypatch.setattr(module, "ASK", 0.0)
    client, changed, store = _Upgraded(*answers), list[Change](), Store("daulat-system")

    async def scenario() -> None:
        informer = Informer(cast("Client", client), store, changed.append)
        await informer.sync()
        await asyncio.wait_for(informer.until_served_otherwise(), 5)
        await informer.relist()

    asyncio.run(scenario())
    return client, changed, store


def test_an_upgrade_is_noticed_and_kinds_are_listed_in_the_version_that_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, changed, store = _after(monkeypatch, BETA, BETA, NEW, NEW)
    assert client.versions == ["v1beta1", "v1"]
    assert [(c.ref, c.after.pin) for c in changed if c.ref == KUBERNETES] == [(KUBERNETES, Pin.MUTATING_POLICY)]
    assert store.capabilities.version == Minor(1, 36)


def test_api_servers_of_two_versions_that_answer_in_turn_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, changed, store = _after(monkeypatch, OLD, NEW, OLD, NEW, OLD, NEW, NEW)
    assert [c.after.version for c in changed if c.ref == KUBERNETES] == [Minor(1, 36)]
    assert store.capabilities.pin is Pin.MUTATING_POLICY


def test_a_kind_in_a_beta_is_listed_now_and_then_and_counts_as_no_dead_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.0)
    client = _Upgraded(BETA)

    async def scenario() -> None:
        informer = Informer(cast("Client", client), Store("daulat-system"), lambda change: None)
        await informer.sync()
        polling = asyncio.create_task(informer.poll())
        while len(client.versions) < 4:
            await asyncio.sleep(0)
        polling.cancel()
        for _ in range(3):
            await informer.relist()
        assert informer.stalled() == []

    asyncio.run(scenario())
    assert set(client.versions) == {"v1beta1"}


def test_only_kinds_in_their_stable_version_are_watched() -> None:
    def watched(cluster: Capabilities) -> set[str]:
        feed = Feed(lambda *event: None, lambda: None, cluster)
        return {resource.kind for resource in feed._resources}

    beta = observed(
        "v1.35.1",
        {
            ("admissionregistration.k8s.io", f"mutatingadmission{p}"): ["v1beta1"]
            for p in ("policies", "policybindings")
        },
    )
    unwatched = {r.kind for r in WATCHED} - watched(beta)
    assert unwatched == {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
    assert watched(of_version("1.30")) == watched(of_version("1.37")) == {r.kind for r in WATCHED}
