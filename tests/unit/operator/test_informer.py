"""Facts come from full lists and from watches; a watch that says nothing while lists bring news counts as dead."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.errors import ServerError
from daulat.kube.ref import Ref
from daulat.kube.resources import Resource
from daulat.operator.informer import Informer


class FakeClient:
    """Lists namespaces only; each list brings one more."""

    def __init__(self, failures: int = 0) -> None:
        self.lists, self.failures = 0, failures

    async def list(self, resource: Resource) -> tuple[list[dict[str, Any]], int]:
        """Return one more namespace at each asking, or fail."""
        if resource.kind != "Namespace":
            return [], 1
        if self.failures:
            self.failures -= 1
            raise ServerError(500, "InternalError", "not now")
        self.lists += 1
        items = [_namespace(f"ns-{n}", n + 1) for n in range(self.lists)]
        return items, self.lists + 1


def _namespace(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def _informer(client: FakeClient, changed: list[Ref]) -> Informer:
    return Informer(cast("Client", client), Store("daulat-system"), changed.append)


def test_facts_are_synced_once_every_kind_was_listed_in_full() -> None:
    async def scenario() -> None:
        changed: list[Ref] = []
        informer = _informer(FakeClient(), changed)
        assert not informer.synced.is_set()
        await informer.sync()
        assert informer.synced.is_set()
        assert changed == [Ref("Namespace", "", "ns-0")]

    asyncio.run(scenario())


def test_a_watch_that_says_nothing_while_lists_bring_news_is_dead() -> None:
    async def scenario() -> None:
        informer = _informer(FakeClient(), [])
        await informer.sync()
        await informer.relist()
        assert informer.deaf() == []
        await informer.relist()
        assert informer.deaf() == ["Namespace"]

    asyncio.run(scenario())


def test_a_watch_that_delivers_is_alive_whatever_lists_bring() -> None:
    async def scenario() -> None:
        client = FakeClient()
        informer = _informer(client, [])
        await informer.sync()
        for _ in range(4):
            informer.take("Namespace", "ADDED", _namespace("other", 100 + client.lists))
            await informer.relist()
        assert informer.deaf() == []

    asyncio.run(scenario())


def test_an_object_that_trips_a_defect_stops_nothing_and_its_body_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        changed: list[Ref] = []
        informer = _informer(FakeClient(), changed)
        informer.take("Namespace", "ADDED", {"metadata": {"name": "bad", "labels": 7, "annotations": "s3cret"}})
        informer.take("Namespace", "ADDED", _namespace("good", 5))
        assert changed == [Ref("Namespace", "", "good")]

    asyncio.run(scenario())
    assert "could not read an object" in caplog.text
    assert "s3cret" not in str([vars(r) for r in caplog.records])
