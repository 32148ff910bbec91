"""Asks the API server what it offers: its version, and the kinds that it serves."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from daulat.catalog.kubernetes import Capabilities, CapabilityError, Pin, observed
from daulat.kube.client import Client
from daulat.kube.errors import NoAnswer

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""Every group, version and resource in one answer, since Kubernetes 1.30."""


async def discover(client: Client, pin: Pin | None = None) -> Capabilities:
    """Return what the cluster offers. ``pin`` is one that somebody decided on. Raises RequestError."""
    version, groups = await asyncio.gather(
        client.request("GET", "/version"), client.request("GET", "/apis", headers={"Accept": AGGREGATED})
    )
    if groups.get("kind") != "APIGroupDiscoveryList":
        raise NoAnswer(f"/apis answered {groups.get('kind') or 'nothing'}: the API server has no aggregated discovery")
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for group in groups.get("items") or ():
        for served in group.get("versions") or ():
            for resource in served.get("resources") or ():
                found[group["metadata"]["name"], resource["resource"]].append(served["version"])
    try:
        return observed(str(version.get("gitVersion") or ""), found, pin)
    except CapabilityError as error:
        raise NoAnswer(f"/version: {error}") from error
