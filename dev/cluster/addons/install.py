"""Installs an add-on on a running cluster, and waits until it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dev.cluster.addons import fetch, lws
from dev.cluster.addons.catalog import CATALOG, check
from dev.cluster.addons.site import Site

CRD = "CustomResourceDefinition"
# The API server takes 4 s of processor time for LeaderWorkerSet's kinds, whose pod templates are 36,000 lines of schema; on a
# machine that is busy with other things that may be a minute.
APPLY_SECONDS = 240.0


def install(name: str, at: Site) -> None:
    """Install one add-on; fine where it is there already."""
    check(name)
    objects = fetch.manifests(name, at.say)
    kinds(at, [o for o in objects if o["kind"] == CRD])
    if CATALOG[name].runs:
        lws.install(at, objects)


def kinds(at: Site, definitions: Sequence[Mapping[str, Any]]) -> None:
    """Create kinds, and wait until the API server serves every version of them."""
    at.kubectl.apply(definitions, timeout_seconds=APPLY_SECONDS)
    waiting = {path for definition in definitions for path in paths(definition)}

    def all_served() -> bool:
        waiting.difference_update([path for path in waiting if at.api.answers(f"{path}?limit=1")])
        return not waiting

    at.wait(f"the kinds under {', '.join(sorted(waiting))} to be served", all_served)


def paths(definition: Mapping[str, Any]) -> list[str]:
    """The addresses of a kind's lists."""
    spec = definition["spec"]
    served = [version["name"] for version in spec["versions"] if version["served"]]
    return [f"/apis/{spec['group']}/{version}/{spec['names']['plural']}" for version in served]
