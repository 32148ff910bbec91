"""The reports in the cluster: which API of reports it serves, one report brought to what it should say, and stale ones removed."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Container

from daulat.api.kinds import Manifest
from daulat.api.names import REPORT_NAME
from daulat.kube.client import Client
from daulat.kube.errors import NotFound, Rejected
from daulat.kube.reported import REPORT_APIS, ReportApi
from daulat.kube.resources import Resource
from daulat.reports.document import same

from . import metrics
from .pace import Pace

log = logging.getLogger("daulat.reporter")


class Shelf:
    """Reads and writes reports. Each request is paid for."""

    def __init__(self, client: Client, pace: Pace) -> None:
        self._client, self._pace = client, pace

    async def served(self) -> list[ReportApi]:
        """Return the APIs of reports that the cluster serves, the preferred one first. Raises RequestError."""
        return [api for api in REPORT_APIS if await self._serves(api)]

    async def _serves(self, api: ReportApi) -> bool:
        await self._pace.spend()
        try:
            found = await self._client.request("GET", f"/apis/{api.of_namespace.api_version}")
        except NotFound:
            return False
        names = {str(r.get("name")) for r in found.get("resources") or ()}
        return {api.of_namespace.plural, api.of_cluster.plural} <= names

    async def put(self, resource: Resource, wanted: Manifest) -> None:
        """Write a report unless the cluster has it as it should be. One that is refused is left to the next pass.

        Raises RequestError where the API server fails.
        """
        path = resource.path(str(wanted["metadata"].get("namespace") or ""), REPORT_NAME)
        await self._pace.spend()
        try:
            if same(wanted, await self._client.get(path)):
                return
            await self._pace.spend()
            await self._client.apply(path, wanted)
        except (Rejected, NotFound) as error:
            # Such as a namespace that is on its way out by now, or rights that are missing.
            metrics.FAILURES.inc()
            log.warning("a report couldn't be written", extra={"path": path, "error": str(error)[:200]})
            return
        metrics.WRITES.labels("apply").inc()

    async def sweep(self, api: ReportApi, namespaces: Container[str], *, cluster: bool) -> None:
        """Delete reports in other namespaces, and the cluster's unless it is to stay. Raises RequestError."""
        async for namespace, uid in self._own(api.of_namespace):
            if namespace not in namespaces:
                await self._delete(api.of_namespace, namespace, uid)
        if not cluster:
            async for _, uid in self._own(api.of_cluster):
                await self._delete(api.of_cluster, "", uid)

    async def _own(self, resource: Resource) -> AsyncIterator[tuple[str, str]]:
        # Without their results, since a page of full reports would take a hundred times the memory.
        async for items, _ in self._client.pages(resource, metadata_only=True):
            await self._pace.spend()
            for meta in (item.get("metadata") or {} for item in items):
                if meta.get("name") == REPORT_NAME:
                    yield str(meta.get("namespace") or ""), str(meta.get("uid") or "")

    async def _delete(self, resource: Resource, namespace: str, uid: str) -> None:
        await self._pace.spend()
        try:
            body = {"preconditions": {"uid": uid}}
            await self._client.request("DELETE", resource.path(namespace, REPORT_NAME), body)
        except (Rejected, NotFound) as error:
            log.info("a report couldn't be deleted", extra={"namespace": namespace, "error": str(error)[:200]})
            return
        metrics.WRITES.labels("delete").inc()
