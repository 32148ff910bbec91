"""The API server as the admin, over many connections at once: for making thousands of objects and watching them."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

Manifest = dict[str, Any]
T = TypeVar("T")

AT_ONCE = 32
"""Requests in flight while objects are made."""
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
"""Merges a condition into the list of conditions by its type. For built-in kinds only."""
METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
"""With "" for an object or "List": answers without spec and status, a fraction of the size."""

PATHS = {
    "Namespace": "/api/v1/{}namespaces",
    "Node": "/api/v1/{}nodes",
    "Pod": "/api/v1/{}pods",
    "Service": "/api/v1/{}services",
    "ServiceAccount": "/api/v1/{}serviceaccounts",
    "Deployment": "/apis/apps/v1/{}deployments",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/{}networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/{}poddisruptionbudgets",
    "SovereignModel": "/apis/daulat.dev/v1alpha1/{}sovereignmodels",
    "SovereigntyPolicy": "/apis/daulat.dev/v1alpha1/{}sovereigntypolicies",
    "SovereignZone": "/apis/daulat.dev/v1alpha1/{}sovereignzones",
}


def path(kind: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Return the path of a kind's objects, in all namespaces or in one, or of a single object."""
    collection = PATHS[kind].format(f"namespaces/{namespace}/" if namespace else "")
    return "/".join(filter(None, (collection, name, subresource)))


class Refused(RuntimeError):
    """The API server's answer was no success."""


class Api:
    """One user's way to the API server."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._ssl = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        # Python loads a client's certificate from a file only.
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
            pair.flush()
            self._ssl.load_cert_chain(pair.name)
        self._server = cluster["server"]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Open connections for as long as the block lasts."""
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=AT_ONCE + 8)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(self._server, connector=connector, timeout=timeout) as http:
            yield Session(http)


class Session:
    """Open connections."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def create(self, manifest: Manifest) -> None:
        """Make one object. Refused where the API server doesn't."""
        await self.create_at(path(manifest["kind"], manifest["metadata"].get("namespace", "")), manifest)

    async def create_at(self, where: str, manifest: Manifest) -> None:
        """Make one object in the collection at a path. Refused where the API server doesn't."""
        await self._send("POST", where, manifest, "application/json")

    async def create_all(self, objects: Iterable[Manifest]) -> None:
        """Make all the objects, as many at once as there are connections."""
        await at_once(self.create, objects)

    async def patch(self, where: str, change: Mapping[str, Any], way: str = MERGE) -> None:
        """Merge a change into an object."""
        await self._send("PATCH", where, change, way)

    async def delete(self, where: str, labels: str = "", missing_ok: bool = False) -> None:
        """Delete an object, or those of a collection that have the labels."""
        async with self._http.delete(where, params={"labelSelector": labels} if labels else {}, json={}) as answer:
            if answer.status >= 300 and not (missing_ok and answer.status == 404):
                raise Refused(f"DELETE {where}: {answer.status} {(await answer.text())[:500]}")
            await answer.read()

    async def list(self, where: str, metadata_only: bool = False, **query: str) -> Manifest:
        """Return the list at a path."""
        accept = METADATA.format("List") if metadata_only else "application/json"
        async with self._http.get(where, params=query, headers={"Accept": accept}) as answer:
            if answer.status >= 300:
                raise Refused(f"GET {where}: {answer.status} {(await answer.text())[:500]}")
            found: Manifest = await answer.json(content_type=None)
            return {**found, "items": found.get("items") or []}

    async def watch(
        self, where: str, version: str, seconds: float, metadata_only: bool = False
    ) -> AsyncIterator[Manifest]:
        """Give the events after a resource version for so many seconds, then RuntimeError; the same where the watch fails.

        A watch that the API server ends before, as it does where a client reads too slowly, goes on after the last event.
        """
        deadline = time.monotonic() + seconds
        while (left := int(deadline - time.monotonic())) > 0:
            async for event in self._watched(where, version, left, metadata_only):
                version = event["object"]["metadata"]["resourceVersion"]
                yield event
        raise RuntimeError(f"the watch of {where} ended after {seconds:.0f} s")

    async def _watched(self, where: str, version: str, seconds: int, metadata_only: bool) -> AsyncIterator[Manifest]:
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(seconds)}
        accept = METADATA.format("") if metadata_only else "application/json"
        async with self._http.get(where, params=query, headers={"Accept": accept}) as answer:
            pending = b""
            async for chunk in answer.content.iter_any():
                *lines, pending = (pending + chunk).split(b"\n")
                for event in map(json.loads, lines):
                    if event["type"] == "ERROR":
                        raise RuntimeError(f"the watch of {where} failed: {event['object'].get('message')}")
                    yield event

    async def _send(self, method: str, where: str, body: Mapping[str, Any], content_type: str) -> None:
        data = json.dumps(body).encode()
        headers = {"Content-Type": content_type, "Accept": METADATA.format("")}
        async with self._http.request(method, where, data=data, headers=headers) as answer:
            text = await answer.read()
            if answer.status >= 300:
                raise Refused(f"{method} {where}: {answer.status} {text.decode(errors='replace')[:500]}")


async def at_once(do: Callable[[T], Awaitable[object]], items: Iterable[T], limit: int = AT_ONCE) -> None:
    """Do something with every item, with so many at a time. The first error ends it."""
    queue = iter(items)

    async def work() -> None:
        for item in queue:
            await do(item)

    workers: Sequence[asyncio.Task[None]] = [asyncio.create_task(work()) for _ in range(limit)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
