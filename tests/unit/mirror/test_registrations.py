"""What another server answers in the place of the API server is no fact, and neither is a list that lost everything at once."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from daulat.api import crd
from daulat.controls import library
from daulat.facts.change import Change
from daulat.facts.store import Store
from daulat.kube.client import Client
from daulat.kube.errors import NotFound
from daulat.kube.resources import GROUPS, Resource
from daulat.mirror import informer as module
from daulat.mirror.informer import Informer
from daulat.mirror.registrations import DEFINITIONS, registrations
from tests.unit.discovery import discovery
from tests.unit.lists import Lists

POLICY: dict[str, Any] = {
    "metadata": {"name": "confidential", "uid": "u1", "resourceVersion": "5"},
    "spec": {
        "namespaceSelector": {"matchLabels": {"daulat.dev/data-class": "confidential"}},
        "zones": {"countries": ["MY"]},
        "accelerators": {"profiles": ["nvidia-h20"]},
    },
}
FORGED = {**POLICY, "spec": {**POLICY["spec"], "action": "Audit"}}


class Server(Lists):
    """An API server with one policy, whose requests for daulat.dev somebody may lead away."""

    def __init__(self) -> None:
        self.policies: list[dict[str, Any]] = [POLICY]
        self.led_away = False
        self.forged: list[dict[str, Any]] = []
        self.version, self.definition = 1, "first"
        self.group = "daulat.dev"
        self.schema: dict[str, Any] = {}
        """The definition of SovereigntyPolicy, but for its uid."""

    def lead(self, *, away: bool) -> None:
        """Write the APIService."""
        self.led_away, self.version = away, self.version + 1

    async def pages(self, resource: Resource) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
        """List APIServices and policies; there is nothing else."""
        if resource.kind == "APIService":
            spec: dict[str, Any] = {"group": self.group, "version": "v1alpha1"}
            if self.led_away:
                spec["service"] = {"namespace": "team-a", "name": "other"}
            meta = {"name": f"v1alpha1.{self.group}", "uid": "a", "resourceVersion": str(self.version)}
            other = {"metadata": {"name": "v1.metrics.k8s.io"}, "spec": {"group": "metrics.k8s.io", "service": {}}}
            yield [{"metadata": meta, "spec": spec}, other], 9
        elif resource.kind == "SovereigntyPolicy":
            yield self.forged if self.led_away else self.policies, 9
        else:
            yield [], 9

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        """Answer what the API server offers."""
        if path.startswith(f"{DEFINITIONS}/"):
            schema = self.schema if "sovereigntypolicies" in path else {}
            return {**schema, "metadata": {"uid": self.definition if "sovereigntypolicies" in path else "first"}}
        found = discovery(path)
        assert found is not None
        return found


class World:
    """An informer with its store."""

    def __init__(self, server: Server) -> None:
        self.server, self.changes = server, list[Change]()
        self.store = Store("daulat-system")
        self.informer = Informer(cast("Client", server), self.store, self.changes.append)

    @property
    def policies(self) -> dict[str, str]:
        """The action of each policy that is known."""
        return {name: p.spec.action.value for name, p in self.store.snapshot().known_policies.items()}

    async def settle(self) -> None:
        """Let events be taken in."""
        for _ in range(50):
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "LAST_PAUSE", 0.004)


@pytest.mark.parametrize("forged", [[], [FORGED]], ids=["nothing", "a weaker policy"])
def test_what_another_server_lists_is_not_believed(forged: list[dict[str, Any]]) -> None:
    async def scenario() -> None:
        world = World(Server())
        await world.informer.sync()
        world.server.forged = forged
        world.server.lead(away=True)
        await world.informer.relist()
        assert world.policies == {"confidential": "Enforce"}
        assert world.store.snapshot().untrusted == {
            "daulat.dev": "APIService v1alpha1.daulat.dev leads to Service team-a/other"
        }
        world.server.lead(away=False)
        await world.informer.relist()
        assert world.store.snapshot().untrusted == {}
        assert world.informer.registered_anew.is_set()

    asyncio.run(scenario())


def test_an_operator_that_starts_believes_no_other_server_and_waits() -> None:
    async def scenario() -> None:
        world = World(Server())
        world.server.lead(away=True)
        starting = asyncio.create_task(world.informer.sync())
        await asyncio.sleep(0.1)
        assert not world.informer.synced.is_set()
        world.server.lead(away=False)
        await asyncio.wait_for(starting, 5)
        assert world.policies == {"confidential": "Enforce"}

    asyncio.run(scenario())


def test_events_of_another_server_are_dropped_and_those_of_the_api_server_are_not() -> None:
    async def scenario() -> None:
        world = World(Server())
        await world.informer.sync()
        newer = {**FORGED, "metadata": {**POLICY["metadata"], "resourceVersion": "20"}}
        world.server.lead(away=True)
        world.informer.take("SovereigntyPolicy", "MODIFIED", newer)
        world.informer.take("SovereigntyPolicy", "DELETED", newer)
        await world.settle()
        assert world.policies == {"confidential": "Enforce"}
        # Led back at once: a stream from before may still be open, so what it says counts for nothing either.
        world.server.lead(away=False)
        world.informer.take("SovereigntyPolicy", "MODIFIED", newer)
        await world.settle()
        assert world.policies == {"confidential": "Enforce"}
        assert world.informer.registered_anew.is_set()
        world.informer.take("SovereigntyPolicy", "MODIFIED", newer)
        await world.settle()
        assert world.policies == {"confidential": "Enforce"}
        # Whoever keeps the streams has opened new ones.
        world.informer.registered_anew.clear()
        world.informer.take("SovereigntyPolicy", "MODIFIED", newer)
        await world.settle()
        assert world.policies == {"confidential": "Audit"}
        world.informer.take("SovereigntyPolicy", "DELETED", newer)
        await world.settle()
        assert world.policies == {}

    asyncio.run(scenario())


def test_a_list_that_lost_everything_counts_where_the_definition_is_the_same() -> None:
    async def scenario() -> None:
        world = World(Server())
        await world.informer.sync()
        world.server.policies = []
        await world.informer.relist()
        assert world.policies == {}
        assert world.store.snapshot().untrusted == {}

    asyncio.run(scenario())


def test_a_list_that_lost_everything_with_its_definition_does_not_count() -> None:
    async def scenario() -> None:
        world = World(Server())
        await world.informer.sync()
        world.server.policies, world.server.definition = [], "second"
        await world.informer.relist()
        assert world.policies == {"confidential": "Enforce"}
        assert list(world.store.snapshot().untrusted) == ["daulat.dev"]
        # Its next leader is told which definition was the last that it believed in.
        known = dict(world.informer.definitions)
        assert known["SovereigntyPolicy"] == "first"
        successor = World(world.server)
        await successor.informer.sync()
        successor.informer.recall(known)
        assert list(successor.store.snapshot().untrusted) == ["daulat.dev"]
        assert successor.informer.definitions["SovereigntyPolicy"] == "first"
        # Somebody with the right to do so makes them again.
        world.server.policies = [{**POLICY, "metadata": {**POLICY["metadata"], "resourceVersion": "30"}}]
        for each in (world, successor):
            await each.informer.relist()
            assert each.store.snapshot().untrusted == {}
            assert each.policies == {"confidential": "Enforce"}
            assert each.informer.definitions["SovereigntyPolicy"] == "second"

    asyncio.run(scenario())


def test_a_kind_that_was_empty_before_is_no_loss_where_nothing_is_known_of_its_definition() -> None:
    async def scenario() -> None:
        world = World(Server())
        world.server.policies = []
        await world.informer.sync()
        world.informer.recall({})
        assert world.store.snapshot().untrusted == {}

    asyncio.run(scenario())


def test_the_registrations_of_other_groups_are_nobodys_business() -> None:
    async def scenario() -> None:
        server = Server()
        found = await registrations(cast("Client", server))
        assert found.led_away == {}
        server.group = "apps"
        server.lead(away=True)
        assert list((await registrations(cast("Client", server))).led_away) == ["apps"]

    asyncio.run(scenario())


def test_the_guard_names_every_group_that_the_operator_goes_by() -> None:
    (condition,) = library.guards()["apiservices"].conditions
    assert [group for group in sorted(GROUPS) if f"'{group}'" not in condition.expression] == ["apiregistration.k8s.io"]


def test_a_definition_of_another_release_is_logged_once_and_noticed_again_when_it_is_upgraded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL", 0.001)
    own = next(m for m in crd.manifests() if m["spec"]["names"]["kind"] == "SovereigntyPolicy")

    async def scenario() -> None:
        world = World(Server())
        older = copy.deepcopy(own)
        older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"].pop("drift")
        world.server.schema = older
        await world.informer.sync()
        await world.informer.relist()
        assert world.store.snapshot().definitions["SovereigntyPolicy"].missing == {"status.drift"}
        assert [r.message for r in caplog.records].count("CustomResourceDefinition is of another release") == 1
        world.server.schema = own
        polling = asyncio.create_task(world.informer.poll())
        while world.store.snapshot().definitions["SovereigntyPolicy"].missing:
            await asyncio.sleep(0.001)
        polling.cancel()
        assert world.changes[-1].ref.kind == "Kubernetes", "which wakes the policies"

    asyncio.run(scenario())


def test_why_a_kind_cant_be_listed_is_known() -> None:
    class Without(Server):
        async def pages(self, resource: Resource) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
            if resource.kind == "SovereigntyExemption":
                raise NotFound(404, "NotFound", "the server could not find the requested resource")
            async for page in super().pages(resource):
                yield page

    async def scenario() -> None:
        world = World(Without())
        syncing = asyncio.create_task(world.informer.sync())
        while "SovereigntyExemption" not in world.informer.failures:
            await asyncio.sleep(0.001)
        syncing.cancel()
        assert not world.informer.synced.is_set()
        assert (
            "the API server doesn't serve it: apply the CRDs of the operator's release"
            in world.informer.failures["SovereigntyExemption"]
        )

    asyncio.run(scenario())
