"""A cluster in memory, behind the one method of the client that sends requests."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from daulat.kube.client import APPLY, JSON, METADATA, Client
from daulat.kube.errors import ApiError, NotFound
from daulat.kube.reported import FACTS, JUDGED, REPORT_APIS, ReportApi
from daulat.kube.resources import Resource
from tests.unit.discovery import aggregated

Raw = dict[str, Any]


class FakeCluster(Client):
    """Objects by kind, in the order in which they were added, and reports by path. A kind that isn't there isn't served."""

    def __init__(self, *apis: ReportApi) -> None:
        self.apis = apis
        self.objects: dict[str, list[Raw]] = {r.kind: [] for r in (*FACTS, *JUDGED)}
        self.reports: dict[str, Raw] = {}
        self.failing: dict[str, list[ApiError]] = {}
        """Errors for lists of a plural, the next one first."""
        self.requests: list[tuple[str, str]] = []
        self.writes: Counter[str] = Counter()
        self.largest = 0
        """Objects in the largest answer."""

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        return json.dumps(self._answer(method, path, body, query or {}, content_type, headers or {})).encode()

    def _answer(
        self, method: str, path: str, body: Any, query: Mapping[str, str], content_type: str, headers: Mapping[str, str]
    ) -> Raw:
        self.requests.append((method, path))
        if path == "/version":
            return {"gitVersion": "v1.37.2"}
        if path == "/apis":
            return aggregated([r for r in (*FACTS, *JUDGED) if r.group])
        for api in self.apis:
            if path == f"/apis/{api.of_namespace.api_version}":
                return {"resources": [{"name": r.plural} for r in (api.of_namespace, api.of_cluster)]}
        found = self._resource(path)
        if found is None:
            raise NotFound(404, "NotFound", f"{path} not found")
        resource, namespace, name = found
        if name:
            return self._one(method, path, body, content_type)
        if errors := self.failing.get(resource.plural):
            raise errors.pop(0)
        return self._page(resource, namespace, query, headers)

    def _resource(self, path: str) -> tuple[Resource, str, str] | None:
        reports = [r for api in self.apis for r in (api.of_namespace, api.of_cluster)]
        parts = path.split("/")
        for resource in (*FACTS, *JUDGED, *reports):
            root = ["", "apis", resource.group, resource.version] if resource.group else ["", "api", resource.version]
            if parts[: len(root)] != root:
                continue
            rest = parts[len(root) :]
            namespace = ""
            if rest[0] == "namespaces" and len(rest) > 2:
                namespace, rest = rest[1], rest[2:]
            if rest[0] == resource.plural:
                return resource, namespace, rest[1] if len(rest) > 1 else ""
        return None

    def _one(self, method: str, path: str, body: Any, content_type: str) -> Raw:
        if method == "PATCH":
            assert content_type == APPLY
            self.writes["apply"] += 1
            self.reports[path] = copy.deepcopy(body)
            self.reports[path]["metadata"]["uid"] = path
        if path not in self.reports:
            raise NotFound(404, "NotFound", f"{path} not found")
        if method == "DELETE":
            assert body == {"preconditions": {"uid": path}}
            self.writes["delete"] += 1
            return self.reports.pop(path)
        return copy.deepcopy(self.reports[path])

    def _page(self, resource: Resource, namespace: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Raw:
        if resource.group in {api.group for api in self.apis}:
            assert headers["Accept"] == METADATA, "reports are never listed with their results"
            assert query["labelSelector"] == "app.kubernetes.io/managed-by=daulat"
            items = [
                {"metadata": report["metadata"]}
                for path, report in sorted(self.reports.items())
                if path.startswith(f"/apis/{resource.api_version}/") and report["kind"] == resource.kind
            ]
        elif resource.kind not in self.objects:
            raise NotFound(404, "NotFound", "the server could not find the requested resource")
        else:
            items = [i for i in self.objects[resource.kind] if namespace in ("", i["metadata"].get("namespace"))]
        begin = int(query.get("continue") or 0)
        end = begin + int(query["limit"])
        page = items[begin:end]
        self.largest = max(self.largest, len(page))
        more = str(end) if end < len(items) else ""
        return {"metadata": {"resourceVersion": "1", "continue": more}, "items": copy.deepcopy(page)}


__all__ = ["REPORT_APIS", "FakeCluster"]
