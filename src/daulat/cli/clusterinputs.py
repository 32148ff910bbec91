"""Reads from the current cluster what objects are judged by. Nothing is written there."""

from __future__ import annotations

import asyncio
import json

from daulat.check.run import Run
from daulat.kube.client import Client, KubeconfigError
from daulat.kube.errors import ApiError, NoAnswer, NotFound
from daulat.kube.resources import BY_KIND
from daulat.manifest.document import Problem

_KINDS = ("SovereigntyPolicy", "SovereignZone", "AcceleratorProfile", "SovereigntyExemption", "Namespace")


def read_cluster(context: str | None) -> Run:
    """Return what the cluster holds. What can't be read is told among the problems."""
    run = Run()
    try:
        asyncio.run(_read(context, run))
    except KubeconfigError as error:
        run.problems.append(Problem("--cluster", 0, f"no usable kubeconfig: {error}"))
    except ApiError as error:
        run.problems.append(Problem("--cluster", 0, f"the API server refused: {error.message or error}"))
    except NoAnswer as error:
        run.problems.append(Problem("--cluster", 0, f"the API server can't be reached: {error}"))
    return run


async def _read(context: str | None, run: Run) -> None:
    client = await Client.from_kubeconfig(context)
    try:
        for kind in _KINDS:
            resource = BY_KIND[kind]
            api_version = f"{resource.group}/{resource.version}" if resource.group else resource.version
            try:
                items, _ = await client.list(resource)
            except NotFound:
                told = f"the cluster doesn't know {kind}: is Daulat installed there?"
                run.problems.append(Problem("--cluster", 0, told))
                return
            for item in items:
                name = (item.get("metadata") or {}).get("name")
                whole = json.dumps({**item, "apiVersion": api_version, "kind": kind}, indent=1)
                run.add(whole.encode(), f"cluster: {kind} {name}", judged=False)
    finally:
        await client.close()
