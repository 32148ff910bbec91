"""Reads from a cluster all that Daulat may have made there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from daulat.api.kinds import Manifest
from daulat.kube.errors import NotFound
from daulat.kube.reported import REPORT_APIS
from daulat.kube.resources import REGISTRY, Resource, Use

from ..cluster import Reader
from .plan import Inventory

_AS_WATCHED = frozenset({"Node", "Namespace", "Pod", "SovereigntyPolicy", "Lease", "CustomResourceDefinition"})


async def read_inventory(reader: Reader, namespace: str) -> Inventory:
    """Return the objects that a plan is made from. A kind that isn't served has none. Raises RequestError."""
    cluster = await reader.capabilities()
    resources = {r.kind: r.on(cluster) for r in _resources()}
    lists = await asyncio.gather(*(_items(reader, r, namespace) for r in resources.values()))
    return Inventory(dict(zip(resources, lists, strict=True)), resources)


def _resources() -> Iterator[Resource]:
    """Return the kinds to list, without the operator's selectors where others than the operator may have made the objects."""
    for resource in REGISTRY:
        if resource.kind in _AS_WATCHED or resource.labels:
            whole = resource.use is Use.ADMISSION or resource.kind == "Deployment"
            yield replace(resource, labels="") if whole else resource
    for api in REPORT_APIS:
        yield from (api.of_namespace, api.of_cluster)


async def _items(reader: Reader, resource: Resource, namespace: str) -> list[Manifest]:
    try:
        return await reader.items(resource, namespace if resource.in_own_namespace else "")
    except NotFound:
        return []
