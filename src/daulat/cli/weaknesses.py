"""Reads the lists that doctor examines. Where one can't be read, the reason is kept in its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.names import MANAGED_BY, POLICY_LABEL
from daulat.doctor.cluster import Cluster, Probe, labels_of, name_of
from daulat.doctor.finding import NotLooked
from daulat.doctor.sources import SOURCES, Source
from daulat.kube.client import MERGE, Client
from daulat.kube.errors import ApiError, NotFound, RequestError

from .cluster import Reader, why_unread, without_managers


async def read(reader: Reader, namespace: str, *, probe: bool = False, left_out: Mapping[str, str] = {}) -> Cluster:
    """Return the cluster. ``left_out`` are sources that aren't read, by key, with the reason.

    Raises RequestError where not even its version can be read."""
    version = await reader.version()
    capabilities = await reader.capabilities()
    lists: dict[str, tuple[Manifest, ...]] = {}
    missing: dict[str, str] = dict(left_out)

    async def one(source: Source, where: str) -> None:
        if source.key in left_out:
            return
        try:
            keep = _keys if source.keys_only else without_managers
            found = await reader.items(source.listed.on(capabilities), where, keep, in_parts=source.keys_only)
        except NotFound:
            return
        except RequestError as error:
            missing[source.key] = why_unread(error)
            return
        lists[source.key] = (*lists.get(source.key, ()), *found)

    spaces = {"": "", "operator": namespace}
    await asyncio.gather(*(one(s, spaces[s.where]) for s in SOURCES.values() if s.where in spaces))
    cluster = Cluster(lists, missing, version, time.time(), capabilities, namespace, _account(lists, namespace))
    governed = [s for s in SOURCES.values() if s.where == "governed"]
    try:
        await asyncio.gather(*(one(s, name) for s in governed for name in cluster.governing))
    except NotLooked as unknown:
        missing.update({s.key: f"the governed namespaces aren't known: {unknown.needs}" for s in governed})
    return replace(cluster, probes=await _probes(reader.client, cluster)) if probe else cluster


def _keys(item: Manifest) -> Manifest:
    """Return the object with the names of its keys and no value: a Secret's content is dropped as soon as it is read."""
    meta = item.get("metadata") or {}
    kept: dict[str, Any] = {"metadata": {key: meta.get(key) for key in ("namespace", "name", "creationTimestamp")}}
    return kept | {part: dict.fromkeys(item[part], "") for part in ("data", "binaryData") if item.get(part)}


def _account(lists: dict[str, tuple[Manifest, ...]], namespace: str) -> str:
    """Return the name of the operator's ServiceAccount, by the chart's own binding."""
    for binding in lists.get("clusterrolebindings", ()):
        if name_of(binding) == "daulat-operator":
            for subject in binding.get("subjects") or ():
                if subject.get("kind") == "ServiceAccount" and subject.get("namespace") == namespace:
                    return str(subject["name"])
    return "daulat"


async def _probes(client: Client, cluster: Cluster) -> dict[str, Probe]:
    found: dict[str, Probe] = {}
    dry = {"dryRun": "All"}
    if nodes := cluster.lists.get("nodes"):
        # Not a label of record: it is NodeRestriction that should refuse it, and not the node guard.
        patch = {"metadata": {"labels": {"doctor.node-restriction.kubernetes.io/probe": "x"}}}
        name = name_of(nodes[0])
        kubelet = {"Impersonate-User": f"system:node:{name}", "Impersonate-Group": "system:nodes"}
        found["node-restriction"] = await _try(client, "PATCH", f"/api/v1/nodes/{name}", patch, dry, kubelet)
    ours = [
        name_of(b)
        for b in cluster.lists.get("validatingadmissionpolicybindings", ())
        if labels_of(b).get(MANAGED_BY) == "daulat" and labels_of(b).get(POLICY_LABEL)
    ]
    if ours:
        path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/{ours[0]}"
        found["anchor"] = await _try(client, "DELETE", path, None, dry, {})
    return found


async def _try(
    client: Client, method: str, path: str, body: Any, query: dict[str, str], headers: dict[str, str]
) -> Probe:
    try:
        await client.request(method, path, body, query, MERGE, headers)
    except ApiError as error:
        return Probe(True, error.message)
    return Probe(False, "")
