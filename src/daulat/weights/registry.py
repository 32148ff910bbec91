"""Fetches weights from an OCI registry: a model image's files, or an artifact's, each blob checked against its digest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import oras.container
import oras.provider
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError
from urllib3.util import Retry

from daulat.api.weights import DIGEST_MISMATCH, FETCH_FAILED, Source

from . import network
from .containment import place
from .layer import unpack
from .location import check_plain
from .problem import WeightsProblem

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_TITLE = "org.opencontainers.image.title"
_CHUNK = 1 << 20


def fetch(source: Source, target: Path, configs: list[Path], *, insecure: bool = False) -> None:
    """Fetch the image or artifact. ``configs`` are Docker configurations with credentials. Raises WeightsProblem."""
    check_plain(source)
    try:
        container = oras.container.Container(source.location + (f"@sha256:{source.digest}" if source.digest else ""))
        registry = connected(container, configs, insecure=insecure)
        for layer in _manifest(registry, container, source.digest)["layers"]:
            _unpack(registry, container, layer, target)
    except (requests.RequestException, ValueError, KeyError, tarfile.TarError, OSError) as error:
        raise WeightsProblem(FETCH_FAILED, f"{source.uri}: {network.describe(error)}") from error


class _Patient(HTTPAdapter):
    """Repeats requests, and gives each its time limits. The library sets none, neither for blobs nor for tokens."""

    def __init__(self) -> None:
        super().__init__(max_retries=_retries())

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send one request."""
        options["timeout"] = options.get("timeout") or _limits()
        return super().send(request, *arguments, **options)


def _limits() -> tuple[float, float]:
    return network.CONNECT_SECONDS, network.READ_SECONDS


def _retries() -> Retry:
    return Retry(
        total=network.RETRIES,
        backoff_factor=1,
        backoff_max=network.LONGEST_PAUSE_SECONDS,
        retry_after_max=network.LONGEST_PAUSE_SECONDS,
        status_forcelist=(500, 502, 503, 504),
    )


def connected(container: Any, configs: list[Path], *, insecure: bool) -> Any:
    """Return the registry with the credentials that there are, asking as it wants to be asked: by token or by password.

    Raises requests.RequestException, and ValueError without credentials that the registry requires.
    """
    verify = os.environ.get("SSL_CERT_FILE") or True
    scheme = "http" if insecure else "https"
    # Not repeated: mostly it fails for a certificate that isn't trusted, which stays so.
    asks = requests.get(f"{scheme}://{container.registry}/v2/", verify=verify, timeout=_limits())
    by_password = asks.headers.get("WWW-Authenticate", "").lower().startswith("basic")
    registry = oras.provider.Registry(
        container.registry, insecure, tls_verify=verify, auth_backend="basic" if by_password else "token"
    )
    registry.session.verify = verify
    for prefix in ("http://", "https://"):
        registry.session.mount(prefix, _Patient())
    registry.auth.load_configs(container, configs=[str(c) for c in configs])
    if by_password and not hasattr(registry.auth, "_basic_auth"):
        raise ValueError(f"{container.registry} requires a user and a password; name a pull secret that has them")
    return registry


def send(
    registry: Any,
    method: str,
    url: str,
    headers: dict[str, str],
    *,
    stream: bool = False,
    body: Callable[[], Any] | None = None,
) -> requests.Response:
    """Send one request, with a new token where the registry wants one: tokens end while large weights are fetched.

    ``body`` returns what is sent, anew for each try. The library's own request keeps a token that has ended, and repeats for two
    minutes what won't change. The answer may have any status.
    """

    def once(headers: dict[str, str]) -> requests.Response:
        data = body() if body is not None else None
        answer: requests.Response = registry.session.request(method, url, headers=headers, stream=stream, data=data)
        return answer

    response = once({**headers, **registry.auth.get_auth_header()})
    if response.status_code in (401, 403):
        response.close()
        headers, changed = registry.auth.authenticate_request(response, dict(headers), refresh=True)
        if changed:
            response = once(headers)
    return response


def _get(registry: Any, url: str, headers: dict[str, str], *, stream: bool = False) -> requests.Response:
    response = send(registry, "GET", url, headers, stream=stream)
    response.raise_for_status()
    return response


def _manifest(registry: Any, container: Any, digest: str) -> dict[str, Any]:
    """Return the manifest, or the first that an index names: weights are the same for every platform."""
    wanted = f"sha256:{digest}" if digest else container.tag
    url = f"{registry.prefix}://{container.registry}/v2/{container.api_prefix}/manifests/{wanted}"
    response = _get(registry, url, {"Accept": ", ".join((*MANIFESTS, *INDEXES))})
    if digest and hashlib.sha256(response.content).hexdigest() != digest:
        raise WeightsProblem(
            DIGEST_MISMATCH, f"{container.registry} answered with another manifest than sha256:{digest}"
        )
    manifest: dict[str, Any] = json.loads(response.content)
    if "manifests" in manifest:
        return _manifest(registry, container, manifest["manifests"][0]["digest"].removeprefix("sha256:"))
    return manifest


def _unpack(registry: Any, container: Any, layer: dict[str, Any], target: Path) -> None:
    title = str((layer.get("annotations") or {}).get(_TITLE) or "")
    # Without a name: a layer can neither overwrite it nor take it away.
    with tempfile.TemporaryFile(dir=target) as blob:
        digest = hashlib.sha256()
        for chunk in chunks(registry, container, layer["digest"]):
            digest.update(chunk)
            blob.write(chunk)
        if f"sha256:{digest.hexdigest()}" != layer["digest"]:
            raise WeightsProblem(
                DIGEST_MISMATCH, f"{container.registry} answered with another blob than {layer['digest']}"
            )
        blob.seek(0)
        if "tar" in layer["mediaType"]:
            unpack(blob, target)
            return
        path = place(target, title or layer["digest"].removeprefix("sha256:"))
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            shutil.copyfileobj(blob, file, _CHUNK)


def chunks(registry: Any, container: Any, digest: str) -> Iterator[bytes]:
    """Yield a blob's content. A connection that breaks or stalls is resumed where it was, as long as each attempt brings more."""
    url = f"{registry.prefix}://{container.registry}/v2/{container.api_prefix}/blobs/{digest}"
    got, retries = 0, _retries()
    while True:
        response = _get(registry, url, {"Range": f"bytes={got}-"} if got else {}, stream=True)
        # A server that resumes nothing sends all of it again.
        known = 0 if response.status_code == requests.codes.partial_content else got
        try:
            with response:
                for chunk in response.iter_content(_CHUNK):
                    new, known = chunk[known:], max(0, known - len(chunk))
                    if new:
                        got, retries = got + len(new), _retries()
                        yield new
            return
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            try:
                retries = retries.increment("GET", url, error=error)
            except MaxRetryError:
                raise error from None
            retries.sleep()
