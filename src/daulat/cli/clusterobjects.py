"""Reads from the current cluster all that an explanation is made of. Nothing is written there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from daulat.api.kinds import Manifest
from daulat.check.scopes import resource_of
from daulat.kube.client import Client, KubeconfigError
from daulat.kube.errors import ApiError, NoAnswer, NotFound
from daulat.kube.resources import BY_KIND
from daulat.manifest.document import Problem

_WORLD = (
    "SovereigntyPolicy",
    "SovereignZone",
    "AcceleratorProfile",
    "SovereigntyExemption",
    "SovereignModel",
    "Namespace",
    "Node",
    "Pod",
    "ResourceSlice",
    "ResourceClaim",
)
_WORKLOADS = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
}


@dataclass(frozen=True)
class Wanted:
    """One object that is to be explained."""

    kind: str
    namespace: str
    name: str


def read_objects(context: str | None, wanted: Wanted | None) -> tuple[list[tuple[str, bytes]], list[Problem]]:
    """Return the cluster's objects as files, the wanted one among them, and what can't be read."""
    try:
        return asyncio.run(_read(context, wanted)), []
    except KubeconfigError as error:
        told = f"no usable kubeconfig: {error}"
    except NotFound:
        told = "the cluster doesn't know Daulat's kinds: is Daulat installed there?"
    except ApiError as error:
        told = f"the API server refused: {error.message or error}"
    except NoAnswer as error:
        told = f"the API server can't be reached: {error}"
    return [], [Problem("--cluster", 0, told)]


async def _read(context: str | None, wanted: Wanted | None) -> list[tuple[str, bytes]]:
    client = await Client.from_kubeconfig(context)
    try:
        found = []
        for kind in _WORLD:
            resource = BY_KIND[kind]
            api_version = f"{resource.group}/{resource.version}" if resource.group else resource.version
            try:
                items, _ = await client.list(resource)
            except NotFound:
                if resource.optional:
                    continue
                raise
            found += [_file({**item, "apiVersion": api_version, "kind": kind}) for item in items]
        kind = next((k for k in _WORKLOADS if wanted is not None and k.lower() == wanted.kind.lower()), "")
        if wanted is not None and kind:
            group = _WORKLOADS[kind].partition("/")[0]
            path = f"/apis/{_WORKLOADS[kind]}/namespaces/{wanted.namespace}/{resource_of(group, kind)}/{wanted.name}"
            item = await client.get(path)
            found += [_file(item)] if item is not None else []
        return found
    finally:
        await client.close()


def _file(item: Manifest) -> tuple[str, bytes]:
    meta = item.get("metadata") or {}
    where = "/".join(part for part in (meta.get("namespace"), meta.get("name")) if part)
    return f"cluster: {item['kind']} {where}", json.dumps(item, indent=1).encode()
