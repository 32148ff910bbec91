"""Reads the facts that ``status`` and ``console`` show. Where a kind can't be read, the reason is kept in its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from daulat.api.kinds import KINDS, Manifest
from daulat.api.names import GROUP, LEASE
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


@dataclass(frozen=True)
class Scope:
    """Which namespaces are read."""

    namespace: str = ""
    """The namespace of the models; empty for all."""
    fallback: str = ""
    """The namespace of the models where they can't be listed in all; empty for none."""
    operator_namespace: str = "daulat-system"


async def read(reader: Reader, scope: Scope) -> Facts:
    """Return the facts. Raises RequestError where not even the API server's version can be read.

    Raises ClusterUnreadable where none of Daulat's kinds can be read.
    """
    version = str((await reader.client.request("GET", "/version")).get("gitVersion") or "")
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

    own = [kind for kind in READ if kind in BY_KIND and kind not in (_MODEL, "Pod")]
    await asyncio.gather(
        *(one(kind, BY_KIND[kind]) for kind in own),
        one("Pod", BY_KIND["Pod"], keep=_holder),
        one(_MODEL, BY_KIND[_MODEL], scope.namespace),
        one("Lease", SOURCES["leases"].listed, scope.operator_namespace),
        one("CustomResourceDefinition", SOURCES["customresourcedefinitions"].listed),
    )
    namespace = scope.namespace
    if unread.get(_MODEL) == FORBIDDEN and scope.fallback and not namespace:
        namespace = scope.fallback
        del unread[_MODEL]
        await one(_MODEL, BY_KIND[_MODEL], namespace)
    if unread.keys() >= _OWN:
        raise ClusterUnreadable(_nothing(unread))
    store = Store(scope.operator_namespace)
    store.record_capabilities(cluster)
    store.advance(time.time())
    for kind in (*own, "Pod", _MODEL):
        for item in lists.get(kind, ()):
            if item:
                store.apply(kind, item)
    leases = (item for item in lists.get("Lease", ()) if item["metadata"]["name"] == LEASE)
    return Facts(
        snapshot=store.snapshot(),
        now=time.time(),
        version=version,
        lease=next(map(parse_lease, leases), None),
        definitions=_definitions(lists.get("CustomResourceDefinition", ())),
        unread=unread,
        namespace=namespace,
        operator_namespace=scope.operator_namespace,
    )


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
