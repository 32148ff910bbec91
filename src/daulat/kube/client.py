"""The Kubernetes client: dicts in, dicts out, because typed models drop fields that they don't know."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client as kube
from kubernetes.aio import config as kube_config

from daulat.api.kinds import Manifest
from daulat.api.names import FIELD_MANAGER

from .errors import NoAnswer, NotFound, api_error
from .kubeconfig import KubeconfigError, find_kubeconfig
from .page import Listed, read_page
from .resources import Resource

TIMEOUT = 8.0
"""Seconds for one request: less than a lease lasts, so that a write begun as leader ends before another leads."""
PAGE = 500
"""Objects in a page of a list. kubectl takes as many."""

APPLY, MERGE, JSON = "application/apply-patch+yaml", "application/merge-patch+json", "application/json"
JSON_PATCH = "application/json-patch+json"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""A list of objects without anything but their metadata."""


class Client:
    """A connection to one API server, with the credentials of a kubeconfig or of the pod's ServiceAccount."""

    def __init__(self, api: kube.ApiClient) -> None:
        self._api = api
        self.count: Callable[[str], None] = lambda method: None
        """Called with the method of each request, for metrics."""
        self.count_failure: Callable[[str, str], None] = lambda method, status: None
        """Called with the method of each request that fails, and the status of its answer or NoAnswer, for metrics."""

    @classmethod
    async def connect(cls) -> Client:
        """Return a client by KUBECONFIG, or by the ServiceAccount where that isn't set."""
        configuration = kube.Configuration()
        if path := os.environ.get("KUBECONFIG"):
            await kube_config.load_kube_config(config_file=path, client_configuration=configuration)
        else:
            kube_config.load_incluster_config(client_configuration=configuration)
        return cls(kube.ApiClient(_direct(configuration)))

    @classmethod
    async def from_kubeconfig(cls, context: str | None = None) -> Client:
        """Return a client by a person's kubeconfig, as kubectl finds it. Raises KubeconfigError."""
        configuration = kube.Configuration()
        found = find_kubeconfig(context)
        try:
            if found.paths:
                paths = os.pathsep.join(found.paths)
                await kube_config.load_kube_config(paths, context=found.context, client_configuration=configuration)
            else:
                kube_config.load_incluster_config(client_configuration=configuration)
        except (kube_config.ConfigException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            where = " and ".join(found.paths) or "of the ServiceAccount"
            raise KubeconfigError(f"kubeconfig {where} can't be used: {error or type(error).__name__}") from error
        return cls(kube.ApiClient(_direct(configuration)))

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, path: str) -> Manifest | None:
        """Return an object, or None where there is none."""
        try:
            return await self.request("GET", path)
        except NotFound:
            return None

    async def list(self, resource: Resource) -> tuple[list[Manifest], int]:
        """Return every object that the operator watches of a kind, and the resource version of the list."""
        items: list[Manifest] = []
        version = 0
        async for page, at in self.pages(resource):
            items += page
            version = version or at
        return items, version

    async def pages(
        self, resource: Resource, namespace: str = "", *, size: int = PAGE, metadata_only: bool = False
    ) -> AsyncIterator[tuple[Sequence[Manifest], int]]:
        """Yield the objects of a kind that its labels and fields select page by page, each with the resource version of the list.

        A page has ``size`` objects at most. ``metadata_only`` leaves out all but their metadata.
        Objects of a list have no apiVersion and no kind, and managedFields are left out. Raises Gone where the API server has
        dropped that version in between, as it does after about five minutes: the list has to be started anew.
        """
        async for page, version in self.unread_pages(resource, namespace, size=size, metadata_only=metadata_only):
            yield [item.read() for item in page], version

    async def unread_pages(
        self, resource: Resource, namespace: str = "", *, size: int = PAGE, metadata_only: bool = False
    ) -> AsyncIterator[tuple[Sequence[Listed], int]]:
        """Yield the same pages, of objects of which only name and resource version are read so far."""
        query = {"limit": str(size), "labelSelector": resource.labels, "fieldSelector": resource.fields}
        while True:
            headers = {"Accept": METADATA} if metadata_only else None
            page = read_page(await self._send("GET", resource.path(namespace), query=query, headers=headers))
            yield page.items, page.version
            if not page.next:
                return
            query["continue"] = page.next

    async def apply(self, path: str, manifest: Manifest) -> Manifest:
        """Make an object so by server-side apply, taking over fields that others hold."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self.request("PATCH", path, manifest, query=query, content_type=APPLY)

    async def merge(self, path: str, patch: Manifest) -> Manifest:
        """Change fields of an object; null takes one away."""
        return await self.request("PATCH", path, patch, query={"fieldManager": FIELD_MANAGER}, content_type=MERGE)

    async def json_patch(self, path: str, version: str, pointer: str, value: Any) -> Manifest:
        """Replace what is at a JSON pointer, where the object still has that resource version (else Conflict)."""
        # A test of the version that fails is answered with 422, this with 409.
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            {"op": "replace", "path": pointer, "value": value},
        ]
        return await self.request("PATCH", path, patch, query={"fieldManager": FIELD_MANAGER}, content_type=JSON_PATCH)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Send a request and return the answer. Raises ApiError, or NoAnswer where there is none."""
        return _parse(await self._send(method, path, body, query, content_type, headers))

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        pairs: Sequence[tuple[str, str]] = [(k, v) for k, v in (query or {}).items() if v]
        all_headers = {"Accept": JSON, "Content-Type": content_type, **(headers or {})}
        method, url, all_headers, data, _ = await self._api.param_serialize(
            method, path, query_params=list(pairs), header_params=all_headers, body=body, auth_settings=["BearerToken"]
        )
        self.count(method)
        try:
            response = await self._api.call_api(method, url, all_headers, data, _request_timeout=TIMEOUT)
            text: bytes = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.count_failure(method, "NoAnswer")
            raise NoAnswer(_why(error)) from error
        if response.status >= 400:
            answer = _parse(text)
            self.count_failure(method, str(response.status))
            after = response.headers.get("Retry-After", "")
            raise api_error(
                response.status,
                str(answer.get("reason") or response.reason),
                str(answer.get("message") or ""),
                float(after) if after.isdigit() else None,
            )
        return text


def _parse(text: bytes) -> Manifest:
    try:
        answer: Manifest = json.loads(text) if text else {}
    except ValueError:
        # A group that isn't served, or a proxy in between, answers in plain text.
        answer = {"message": text.decode(errors="replace").strip()}
    return answer


def _why(error: Exception) -> str:
    """Return why there is no answer. A timeout has no text of its own."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _direct(configuration: Any) -> Any:
    """Take the environment's proxy once. Left to itself the library looks for one, and for a .netrc file, at every request."""
    url = urlsplit(configuration.host)
    if not configuration.proxy and not proxy_bypass(url.netloc):
        configuration.proxy = getproxies().get(url.scheme)
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration
