"""Asks the API server what it offers: its version, and the kinds that it serves."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from daulat.catalog.kubernetes import Capabilities, CapabilityError, Pin, observed
from daulat.kube.client import Client
from daulat.kube.errors import NoAnswer
from daulat.kube.resources import Resource

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


async def find_kind(client: Client, word: str) -> Resource | None:
    """Return the kind that a word means, as kubectl understands it: resource, singular, kind or short name, with or without group.

    Only the version that the API server prefers counts. Raises RequestError.
    """
    lists = await asyncio.gather(
        *(client.request("GET", path, headers={"Accept": AGGREGATED}) for path in ("/api", "/apis"))
    )
    for group in (item for found in lists for item in found.get("items") or ()):
        name = group["metadata"].get("name") or ""
        for served in (group.get("versions") or ())[:1]:
            for resource in served.get("resources") or ():
                kind = resource["responseKind"]["kind"]
                words = {resource["resource"], resource.get("singularResource") or kind.lower(), kind.lower()}
                words |= {*(resource.get("shortNames") or ()), *(f"{w}.{name}" for w in tuple(words) if name)}
                if word.lower() in words:
                    return Resource(
                        kind, name, served["version"], resource["resource"], resource.get("scope") == "Namespaced"
                    )
    return None
