"""Reads what a simulation starts from in a cluster: every object of the kinds that the operator watches, redacted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from daulat.api.kinds import Manifest
from daulat.catalog.kubernetes import Capabilities, served_kinds
from daulat.kube.errors import NotFound, RequestError
from daulat.kube.resources import Resource
from daulat.simulate.redact import KINDS, redacted
from daulat.simulate.world import Cluster

from .cluster import ClusterUnreadable, Reader, why_unread


class Incomplete(ClusterUnreadable):
    """Some kinds couldn't be listed. A simulation without them would be wrong."""

    def __init__(self, unread: Mapping[str, str]) -> None:
        """Take why each kind couldn't be read, by its name."""
        self.unread = unread
        listed = ", ".join(f"{kind} ({why})" for kind, why in sorted(unread.items()))
        super().__init__(f"a simulation depends on every object of these kinds, which can't be listed: {listed}")


def needed(cluster: Capabilities) -> tuple[Resource, ...]:
    """Return the kinds that are listed. Those of Kubernetes' own that the cluster doesn't serve aren't among them."""
    versioned = {name for kind in served_kinds() for name in kind.resources}
    return tuple(
        each.on(cluster)
        for each in KINDS
        if not (each.optional and each.plural in versioned and each.plural not in cluster.served)
    )


async def read_cluster(reader: Reader, operator_namespace: str) -> Cluster:
    """Return the facts of a cluster, redacted.

    Raises RequestError where not even the API server's version can be read, Incomplete where kinds can't be listed, and
    ClusterUnreadable where Daulat isn't installed.
    """
    capabilities = await reader.capabilities()
    lists: dict[str, list[Manifest]] = {}
    unread: dict[str, str] = {}
    unserved = {each.kind for each in KINDS}

    async def one(resource: Resource) -> None:
        try:
            lists[resource.kind] = await reader.items(resource, keep=lambda item: redacted(resource.kind, item))
            unserved.discard(resource.kind)
        except NotFound as error:
            if not resource.optional:
                raise ClusterUnreadable(
                    f"the API server doesn't serve {resource.kind}: is Daulat installed?"
                ) from error
        except RequestError as error:
            unread[resource.kind] = why_unread(error)

    resources = needed(capabilities)
    await asyncio.gather(*map(one, resources))
    if unread:
        raise Incomplete(unread)
    typed = [
        {"apiVersion": each.api_version, "kind": each.kind, **item}
        for each in resources
        for item in lists.get(each.kind, ())
    ]
    return Cluster(tuple(typed), time.time(), capabilities, frozenset(unserved), operator_namespace)
