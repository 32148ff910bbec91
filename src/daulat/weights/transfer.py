"""Copies artefacts between registries by the OCI distribution protocol: every platform, the same bytes, so the same digests.

A blob that is there already isn't copied again, so that a copy that was interrupted is repeated at little cost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin

import oras.container
import requests

from .network import describe
from .registry import INDEXES, MANIFESTS, chunks, connected, send

_API = {"docker.io": "registry-1.docker.io"}
"""Where a registry answers, where that isn't its name in references."""
_MANIFEST_BYTES = 8 << 20
"""The largest manifest that is copied. Registries take 4 MiB."""


class TransferError(Exception):
    """An artefact couldn't be copied. The text says which, and why."""


class TargetError(TransferError):
    """The registry that is copied to can't be used, which concerns every other artefact as well."""


class Store(Protocol):
    """Where artefacts of one repository are: a registry, or a folder."""

    name: str

    def manifest(self, version: str) -> tuple[str, bytes] | None:
        """Return the media type and the bytes of a manifest by tag or digest, or None where there is none."""

    def put_manifest(self, version: str, media: str, body: bytes) -> None:
        """Store a manifest under a tag or its digest."""

    def has_blob(self, digest: str) -> bool:
        """Say whether the blob is there."""

    def blob(self, digest: str) -> Iterator[bytes]:
        """Yield a blob's content."""

    def put_blob(self, digest: str, size: int, content: Callable[[], Iterator[bytes]]) -> None:
        """Store a blob, of which ``content`` yields the bytes."""


class Repository:
    """One repository of a registry, with the credentials that a Docker configuration has for it. Raises TransferError."""

    def __init__(
        self,
        host: str,
        name: str,
        configs: list[Path],
        *,
        plain_http: bool = False,
        failure: type[TransferError] = TransferError,
    ) -> None:
        self.name, self._failure = f"{host}/{name}", failure
        self._container = oras.container.Container(f"{_API.get(host, host)}/{name}")
        try:
            self._registry = connected(self._container, configs, insecure=plain_http)
        except (requests.RequestException, ValueError) as error:
            raise failure(f"{host}: {describe(error)}") from error
        self._url = f"{self._registry.prefix}://{self._container.registry}/v2/{self._container.api_prefix}"

    def manifest(self, version: str) -> tuple[str, bytes] | None:
        """Return the media type and the bytes of a manifest by tag or digest, or None where there is none."""
        answer = self._send("GET", f"manifests/{version}", {"Accept": ", ".join((*MANIFESTS, *INDEXES))}, (200, 404))
        if answer.status_code == requests.codes.not_found:
            return None
        body = answer.content
        if len(body) > _MANIFEST_BYTES:
            raise self._failure(f"{self.name}: the manifest {version} is larger than {_MANIFEST_BYTES >> 20} MiB")
        if version.startswith("sha256:") and digest_of(body) != version:
            raise self._failure(f"{self.name}: the registry answered with another manifest than {version}")
        return answer.headers.get("Content-Type", MANIFESTS[0]).partition(";")[0], body

    def put_manifest(self, version: str, media: str, body: bytes) -> None:
        """Store a manifest under a tag or its digest."""
        self._send("PUT", f"manifests/{version}", {"Content-Type": media}, (201,), lambda: body)

    def has_blob(self, digest: str) -> bool:
        """Say whether the blob is there."""
        return self._send("HEAD", f"blobs/{digest}", {}, (200, 404)).status_code == requests.codes.ok

    def blob(self, digest: str) -> Iterator[bytes]:
        """Yield a blob's content."""
        try:
            yield from chunks(self._registry, self._container, digest)
        except requests.RequestException as error:
            raise self._failure(f"{self.name}: blob {digest}: {describe(error)}") from error

    def put_blob(self, digest: str, size: int, content: Callable[[], Iterator[bytes]]) -> None:
        """Store a blob, of which ``content`` yields the bytes. The registry refuses it where they haven't this digest."""
        begun = self._send("POST", "blobs/uploads/", {"Content-Length": "0"}, (202,))
        to = urljoin(f"{self._url}/blobs/uploads/", begun.headers.get("Location", ""))
        where = f"{to}{'&' if '?' in to else '?'}digest={digest}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._send("PUT", where, headers, (201,), lambda: _Body(content(), size))

    def _send(
        self,
        method: str,
        where: str,
        headers: dict[str, str],
        expected: tuple[int, ...],
        body: Callable[[], Any] | None = None,
    ) -> requests.Response:
        url = where if "://" in where else f"{self._url}/{where}"
        try:
            answer = send(self._registry, method, url, headers, body=body)
        except requests.RequestException as error:
            raise self._failure(f"{self.name}: {describe(error)}") from error
        if answer.status_code not in expected:
            raise self._failure(f"{self.name}: {method} {where.partition('?')[0]}: {_refusal(answer)}")
        return answer


class _Body:
    """Bytes of a known number, as the HTTP library sends them: with a Content-Length, which not every registry does without."""

    def __init__(self, content: Iterator[bytes], size: int) -> None:
        self._content, self._size, self._rest = content, size, b""

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes; none at the end."""
        if not self._rest:
            self._rest = next(self._content, b"")
        count = len(self._rest) if count < 0 else count
        given, self._rest = self._rest[:count], self._rest[count:]
        return given


def copy(version: str, tag: str, source: Store, target: Store) -> str:
    """Copy what has a tag or a digest in the source to a tag of the target, and return its digest.

    Raises TransferError; what the target was made with where it refuses something.
    """
    found = source.manifest(version)
    if found is None:
        raise TransferError(f"{source.name}: there is no {version}")
    media, body = found
    try:
        _copy_parts(json.loads(body), source, target)
    except (ValueError, KeyError, TypeError) as error:
        raise TransferError(f"{source.name}: the manifest {version} can't be read: {describe(error)}") from error
    target.put_manifest(tag, media, body)
    there = target.manifest(tag)
    if there is None or there[1] != body:
        raise TargetError(f"{target.name}:{tag}: the registry doesn't return what was stored")
    return digest_of(body)


def digest_of(body: bytes) -> str:
    """Return the digest of a manifest."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _copy_parts(manifest: dict[str, Any], source: Store, target: Store) -> None:
    for child in manifest.get("manifests") or ():
        found = source.manifest(child["digest"])
        if found is None:
            raise TransferError(f"{source.name}: the index names {child['digest']}, which isn't there")
        _copy_parts(json.loads(found[1]), source, target)
        target.put_manifest(child["digest"], *found)
    config = manifest.get("config")
    for part in [*([config] if config else ()), *(manifest.get("layers") or ()), *(manifest.get("blobs") or ())]:
        digest, size = str(part["digest"]), int(part["size"])
        if not target.has_blob(digest):
            target.put_blob(digest, size, partial(_checked, source, digest))


def _checked(source: Store, digest: str) -> Iterator[bytes]:
    """Yield a blob's content, and raise TransferError at its end where it isn't what its digest says."""
    seen = hashlib.sha256()
    for chunk in source.blob(digest):
        seen.update(chunk)
        yield chunk
    if digest.startswith("sha256:") and digest != f"sha256:{seen.hexdigest()}":
        raise TransferError(f"{source.name}: the content of blob {digest} is another")


def _refusal(answer: requests.Response) -> str:
    """Return what a registry says of a request that it refuses."""
    told = ""
    try:
        told = "; ".join(str(e.get("message") or e.get("code")) for e in answer.json().get("errors") or ())
    except (ValueError, AttributeError):
        told = ""
    if answer.status_code == requests.codes.unauthorized:
        told = "wrong or missing credentials: log in to the registry (docker login), or name --authfile"
    return f"{answer.status_code} {answer.reason}{f': {told}' if told else ''}"
