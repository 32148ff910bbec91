"""Reads the facts that ``status`` and ``console`` show. Where a kind can't be read, the reason is kept in its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from daulat.api.counted import few
from daulat.api.kinds import KINDS, Manifest
from daulat.api.names import GROUP, LEASE
from daulat.catalog.kubernetes import Capabilities
from daulat.doctor.sources import SOURCES
from daulat.facts.definition import Definition, parse_definition
from daulat.facts.pod import parse_pod
from daulat.facts.store import Store
from daulat.kube.errors import NotFound, RequestError
from daulat.kube.resources import BY_KIND, Resource
from daulat.status.examine import KINDS as READ
from daulat.status.facts import NOT_SERVED, Facts, parse_lease

from .cluster import FORBIDDEN, ClusterUnreadable, Reader, why_unread, without_managers

_OWN = frozenset(kind.kind for kind in KINDS if kind.kind in READ)
_MODEL = "SovereignModel"
_LISTED = tuple(kind for kind in READ if kind in BY_KIND and kind not in (_MODEL, "Pod"))
LEASES = replace(SOURCES["leases"].listed, kind="Lease")
DEFINITIONS = replace(SOURCES["customresourcedefinitions"].listed, kind="CustomResourceDefinition")
CLUSTER_WIDE: tuple[Resource, ...] = (*(BY_KIND[kind] for kind in (*_LISTED, "Pod", _MODEL)), DEFINITIONS)
"""What is listed in all namespaces. ``LEASES`` are listed in the operator's."""


@dataclass(frozen=True)
class Scope:
    """Which namespaces are read."""

    namespace: str = ""
    """The namespace of the models; empty for all."""
    fallback: str = ""
    """The namespace of the models where they can't be listed in all; empty for none."""
    operator_namespace: str = "daulat-system"


@dataclass(frozen=True)
class Rights:
    """What a user may list of what was read."""

    kinds: frozenset[str]
    """The kinds that the user may list in every namespace."""
    models: frozenset[str] = frozenset()
    """Further namespaces whose models the user may list."""
    pods: frozenset[str] = frozenset()
    """Further namespaces whose pods the user may list."""

    def may(self, kind: str, namespace: str) -> bool:
        """Say whether the user may list the models or the pods of a namespace."""
        return kind in self.kinds or namespace in {_MODEL: self.models, "Pod": self.pods}[kind]


@dataclass(frozen=True)
class Gathered:
    """What the API server answered."""

    lists: Mapping[str, Sequence[Manifest]]
    unread: Mapping[str, str]
    """Why a kind couldn't be read, by its name."""
    capabilities: Capabilities
    version: str
    now: float
    """Seconds since the epoch."""
    scope: Scope

    @property
    def models(self) -> tuple[tuple[str, str], ...]:
        """The models, by namespace and name."""
        found = (item["metadata"] for item in self.lists.get(_MODEL, ()))
        return tuple((meta["namespace"], meta["name"]) for meta in found)

    @property
    def model_namespaces(self) -> tuple[str, ...]:
        """The namespaces that have models, by name."""
        return tuple(sorted({namespace for namespace, _ in self.models}))

    def facts(self, rights: Rights | None = None) -> Facts:
        """Return the facts, or those of them that a user with these rights can read from the API server.

        Raises ClusterUnreadable where none of Daulat's kinds can be read.
        """
        lists, unread = (self.lists, dict(self.unread)) if rights is None else self._limited(rights)
        if unread.keys() >= _OWN and not lists.get(_MODEL):
            raise ClusterUnreadable(_nothing(unread))
        store = Store(self.scope.operator_namespace)
        store.record_capabilities(self.capabilities)
        store.advance(self.now)
        for kind in (*_LISTED, "Pod", _MODEL):
            for item in lists.get(kind, ()):
                if item:
                    store.apply(kind, item)
        leases = (item for item in lists.get("Lease", ()) if item["metadata"]["name"] == LEASE)
        return Facts(
            snapshot=store.snapshot(),
            now=self.now,
            version=self.version,
            lease=next(map(parse_lease, leases), None),
            definitions=_definitions(lists.get("CustomResourceDefinition", ())),
            unread=unread,
            namespace=self.scope.namespace,
            operator_namespace=self.scope.operator_namespace,
        )

    def _limited(self, rights: Rights) -> tuple[Mapping[str, Sequence[Manifest]], dict[str, str]]:
        lists: dict[str, Sequence[Manifest]] = {}
        unread = dict(self.unread)
        further = {_MODEL: rights.models, "Pod": rights.pods}
        for kind, items in self.lists.items():
            if kind in rights.kinds:
                lists[kind] = items
                continue
            namespaces = further.get(kind, frozenset())
            lists[kind] = [
                item for item in items if namespaces and item and item["metadata"]["namespace"] in namespaces
            ]
            unread[kind] = f"{FORBIDDEN} outside of {few(sorted(namespaces), 5)}" if namespaces else FORBIDDEN
        return lists, unread


async def read(reader: Reader, scope: Scope) -> Facts:
    """Return the facts. Raises RequestError where not even the API server's version can be read.

    Raises ClusterUnreadable where none of Daulat's kinds can be read.
    """
    return (await gather(reader, scope)).facts()


async def gather(reader: Reader, scope: Scope) -> Gathered:
    """Return what the API server answers. Raises RequestError where not even its version can be read."""
    version = await reader.version()
    cluster = await reader.capabilities()
    lists: dict[str, list[Manifest]] = {}
    unread: dict[str, str] = {}

    async def one(
        kind: str, resource: Resource, namespace: str = "", keep: Callable[[Manifest], Manifest] = without_managers
    ) -> None:
        try:
            lists[kind] = await reader.items(resource.on(cluster), namespace, keep)
        except NotFound:
            # A cluster does without kinds of other projects. Without one of Daulat's own it is half installed.
            if kind in _OWN:
                unread[kind] = NOT_SERVED
        except RequestError as error:
            unread[kind] = why_unread(error)

    await asyncio.gather(
        *(one(kind, BY_KIND[kind]) for kind in _LISTED),
        one("Pod", BY_KIND["Pod"], keep=_holder),
        one(_MODEL, BY_KIND[_MODEL], scope.namespace),
        one("Lease", LEASES, scope.operator_namespace),
        one("CustomResourceDefinition", DEFINITIONS),
    )
    if unread.get(_MODEL) == FORBIDDEN and scope.fallback and not scope.namespace:
        scope = replace(scope, namespace=scope.fallback)
        del unread[_MODEL]
        await one(_MODEL, BY_KIND[_MODEL], scope.namespace)
    return Gathered(lists, unread, cluster, version, time.time(), scope)


def _nothing(unread: dict[str, str]) -> str:
    whys = {unread[kind] for kind in _OWN}
    if whys == {NOT_SERVED}:
        return "the API server serves none of Daulat's kinds: is Daulat installed?"
    return f"none of Daulat's kinds can be read: {'; '.join(sorted(whys))}"


def _holder(pod: Manifest) -> Manifest:
    """Return a pod that holds devices or pins, and of any other nothing: most pods of a cluster are others."""
    return without_managers(pod) if parse_pod(pod) is not None else {}


def _definitions(items: Iterable[Manifest]) -> dict[str, Definition]:
    kinds = {f"{kind.plural}.{GROUP}": kind.kind for kind in KINDS}
    names = ((item, kinds.get(item["metadata"]["name"])) for item in items)
    return {kind: parse_definition(kind, item) for item, kind in names if kind is not None}
