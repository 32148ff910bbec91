"""Reads objects of a cluster, with a kubeconfig as kubectl finds it. Nothing is written there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from daulat.api.kinds import Manifest
from daulat.catalog.kubernetes import Capabilities
from daulat.kube.client import Client
from daulat.kube.errors import ApiError, Forbidden, NoAnswer, NotFound, RequestError, Unauthorized
from daulat.kube.kubeconfig import KubeconfigError
from daulat.kube.resources import BY_KIND, Resource
from daulat.manifest.document import Document, from_api
from daulat.mirror.discovery import discover, find_kind

PARALLEL = 6
"""Lists at a time. More would take a share of the API server that others notice."""

T = TypeVar("T")


FORBIDDEN = "forbidden"
"""Why a list couldn't be read where rights are missing."""


class ClusterUnreadable(Exception):
    """The cluster can't be read. The text is the sentence for the user."""


def without_managers(item: Manifest) -> Manifest:
    """Return the object without its field managers, which often are half of its size."""
    meta = {key: value for key, value in (item.get("metadata") or {}).items() if key != "managedFields"}
    return {**item, "metadata": meta}


class Reader:
    """Reads from one API server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._slots = asyncio.Semaphore(PARALLEL)
        self._cluster: Capabilities | None = None

    async def items(
        self,
        resource: Resource,
        namespace: str = "",
        keep: Callable[[Manifest], Manifest] = without_managers,
        *,
        in_parts: bool = False,
    ) -> list[Manifest]:
        """Return what ``keep`` returns of each object that the resource selects, in one namespace or in all.

        ``in_parts`` says that the rest of an object must not be held in memory. As in every list, objects have no apiVersion and
        no kind. Raises RequestError.
        """
        async with self._slots:
            return [keep(item) async for items, _ in self.client.pages(resource, namespace) for item in items]

    async def capabilities(self) -> Capabilities:
        """Return what the cluster offers, asked once. Raises RequestError."""
        if self._cluster is None:
            self._cluster = await discover(self.client)
        return self._cluster

    async def version(self) -> str:
        """Return the API server's version; empty where it reports none. Raises RequestError."""
        return str((await self.client.request("GET", "/version")).get("gitVersion") or "")

    async def find(self, word: str) -> Resource | None:
        """Return the kind that a word means to kubectl, or None. Raises RequestError."""
        return await find_kind(self.client, word)

    async def get(self, resource: Resource, namespace: str, name: str) -> Document | None:
        """Return an object, or None where there is none. Raises RequestError."""
        item = await self.client.get(resource.path(namespace, name))
        return None if item is None else _document(without_managers(item), resource)

    async def documents(self, kinds: Iterable[str]) -> list[Document]:
        """Return all objects of these kinds. Raises RequestError, and ClusterUnreadable where a kind isn't served."""
        cluster = await self.capabilities()
        resources = [BY_KIND[kind].on(cluster) for kind in kinds]
        lists = await asyncio.gather(*map(self.items, resources), return_exceptions=True)
        found: list[Document] = []
        for resource, items in zip(resources, lists, strict=True):
            if isinstance(items, NotFound):
                if not resource.optional:
                    raise ClusterUnreadable(f"the API server doesn't serve {resource.kind}: is Daulat installed?")
            elif isinstance(items, BaseException):
                raise items
            else:
                found += [_document(item, resource) for item in items]
        return found


class Shared(Reader):
    """Reads each list, and the version, at most once: for several reports on one cluster at one time.

    Lists are held whole while this reader is, but for those of which a caller keeps only parts.
    """

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader.client)
        self._reader = reader
        self._lists: dict[tuple[str, str, str], asyncio.Task[list[Manifest]]] = {}
        self._version: asyncio.Task[str] | None = None

    async def items(
        self,
        resource: Resource,
        namespace: str = "",
        keep: Callable[[Manifest], Manifest] = without_managers,
        *,
        in_parts: bool = False,
    ) -> list[Manifest]:
        """Return what ``keep`` returns of each object. ``in_parts``: what it leaves out must not be held, so nothing is shared."""
        if in_parts:
            return await self._reader.items(resource, namespace, keep)
        key = resource.path(namespace), resource.labels, resource.fields
        if key not in self._lists:
            self._lists[key] = asyncio.ensure_future(self._reader.items(resource, namespace))
        found = await self._lists[key]
        return found if keep is without_managers else [keep(item) for item in found]

    async def capabilities(self) -> Capabilities:
        """Return what the cluster offers, which is kept longer than the lists. Raises RequestError."""
        return await self._reader.capabilities()

    async def version(self) -> str:
        """Return the API server's version, requested once. Raises RequestError."""
        if self._version is None:
            self._version = asyncio.ensure_future(self._reader.version())
        return await self._version


def read(context: str | None, what: Callable[[Reader], Awaitable[T]]) -> T:
    """Return what is read from the cluster of a kubeconfig's context. Raises ClusterUnreadable."""

    async def connected() -> T:
        client = await Client.from_kubeconfig(context)
        try:
            return await what(Reader(client))
        finally:
            await client.close()

    try:
        return asyncio.run(connected())
    except (KubeconfigError, RequestError) as error:
        raise ClusterUnreadable(sentence(error)) from error


def sentence(error: KubeconfigError | RequestError) -> str:
    """Return what is wrong, in kubectl's words where it has some."""
    match error:
        case NoAnswer():
            return f"unable to connect to the API server: {error}"
        case ApiError():
            return f"error from the API server ({error.reason}): {error.message}"
        case _:
            return str(error)


def why_unread(error: RequestError) -> str:
    """Return why a list couldn't be read, in a few words."""
    return FORBIDDEN if isinstance(error, Unauthorized | Forbidden) else sentence(error)


def _document(item: Manifest, resource: Resource) -> Document:
    return from_api({"apiVersion": resource.api_version, "kind": resource.kind, **item})
