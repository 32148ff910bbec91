"""What an API server answers to those who ask what it offers."""

from __future__ import annotations

from collections.abc import Container, Iterable
from itertools import groupby
from typing import Any

from daulat.kube.resources import REGISTRY, Resource
from daulat.mirror.registrations import DEFINITIONS


def discovery(path: str, unserved: Container[str] = (), version: str = "v1.37.2") -> dict[str, Any] | None:
    """Return the answer to a request for the version, for all groups, or for a definition; None for any other path."""
    if path == "/version":
        return {"gitVersion": version}
    if path.startswith(f"{DEFINITIONS}/"):
        return {"metadata": {"name": path.rpartition("/")[2], "uid": "definition"}}
    return aggregated(r for r in REGISTRY if r.kind not in unserved) if path == "/apis" else None


def aggregated(resources: Iterable[Resource]) -> dict[str, Any]:
    """Return what aggregated discovery says of these resources."""
    known = sorted({(r.group, r.version, r.plural) for r in resources if r.group})
    items = [
        {
            "metadata": {"name": group},
            "versions": [
                {"version": version, "resources": [{"resource": plural} for _, _, plural in found]}
                for version, found in groupby(each, key=lambda r: r[1])
            ],
        }
        for group, each in groupby(known, key=lambda r: r[0])
    ]
    return {"kind": "APIGroupDiscoveryList", "items": items}
