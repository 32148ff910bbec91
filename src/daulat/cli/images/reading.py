"""Reads what runs in a cluster: models with what they are judged and rendered by, and the pods that are there."""

from __future__ import annotations

from daulat.catalog.kubernetes import Capabilities

from .. import objects
from ..cluster import Reader

_KINDS = ("SovereignModel", "SovereigntyPolicy", "AcceleratorProfile", "Namespace", "Pod")


async def add_cluster(reader: Reader, given: objects.Input) -> Capabilities:
    """Add a cluster's objects to the input, which counts more. Raises RequestError and ClusterUnreadable."""
    given.add_missing(await reader.documents(_KINDS))
    return await reader.capabilities()
