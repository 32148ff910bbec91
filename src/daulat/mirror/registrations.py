"""Finds out who answers requests for the kinds that facts come from: the API server itself, or another server in its place.

An APIService with ``spec.service`` leads all requests for a group and version to that Service (kube-aggregator). What is answered
there is no fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from daulat.facts.definition import Definition, parse_definition
from daulat.kube.client import Client
from daulat.kube.errors import NotFound
from daulat.kube.resources import GROUPS, REGISTRY

_APISERVICES = next(r for r in REGISTRY if r.kind == "APIService")
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class Registrations:
    """The APIServices of the groups that facts come from, as they were at one moment."""

    led_away: Mapping[str, str] = field(default_factory=dict)
    """By group, the sentence that says where requests go."""
    seen: frozenset[tuple[str, str, str]] = frozenset()
    """Name, uid and resource version of each."""


async def registrations(client: Client) -> Registrations:
    """Return the registrations as they are. An API server without aggregation has none. Raises RequestError."""
    try:
        pages = [page async for page, _ in client.unread_pages(_APISERVICES)]
    except NotFound:
        return Registrations()
    led_away, seen = {}, set()
    # An APIService is named by its version and group. This is asked every few seconds, and most are of other groups.
    for item in (listed.read() for page in pages for listed in page if listed.name.partition(".")[2] in GROUPS):
        spec, meta = item.get("spec") or {}, item["metadata"]
        group = str(spec.get("group") or "")
        if group not in GROUPS:
            continue
        seen.add((str(meta.get("name")), str(meta.get("uid")), str(meta.get("resourceVersion"))))
        if (service := spec.get("service")) is not None:
            led_away[group] = (
                f"APIService {meta.get('name')} leads to Service {service.get('namespace')}/{service.get('name')}"
            )
    return Registrations(led_away, frozenset(seen))


async def definition(client: Client, kind: str, plural: str, group: str) -> Definition:
    """Return the CustomResourceDefinition of one of Daulat's kinds; one without uid where there is none. Raises RequestError."""
    try:
        found = await client.request("GET", f"{DEFINITIONS}/{plural}.{group}")
    except NotFound:
        return Definition()
    return parse_definition(kind, found)
