"""Fetches weights from an object store that speaks S3."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from daulat.api.weights import FETCH_FAILED, Source

from .problem import WeightsProblem

_AT_ONCE = 8


def fetch(source: Source, endpoint: str, target: Path) -> None:
    """Fetch every object under the prefix, or the one object that the path names. Raises WeightsProblem."""
    try:
        _fetch(_store(source.head, endpoint), source, endpoint, target)
    except BaseError as error:
        told = " ".join(str(error).split())[:300]
        raise WeightsProblem(FETCH_FAILED, f"{source.uri} from {endpoint}: {told}") from error


def _store(bucket: str, endpoint: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=endpoint,
        # A bucket as a part of the path needs no wildcard in DNS or in the server's certificate.
        virtual_hosted_style_request=False,
        skip_signature="AWS_ACCESS_KEY_ID" not in os.environ,
        region=os.environ.get("AWS_REGION", "us-east-1"),
        client_options={"allow_http": endpoint.startswith("http://"), "connect_timeout": "10 s", "timeout": "1 hour"},
        retry_config={"max_retries": 5, "retry_timeout": timedelta(minutes=3)},
    )


def _fetch(store: S3Store, source: Source, endpoint: str, target: Path) -> None:
    found = [o["path"] for batch in obstore.list(store, source.path or None) for o in batch]
    prefix = f"{source.path}/" if source.path else ""
    if not found and source.path:
        found, prefix = _one(store, source.path), source.path.removesuffix(source.path.rpartition("/")[2])
    if not found:
        raise WeightsProblem(FETCH_FAILED, f"{source.uri}: bucket {source.head} at {endpoint} has nothing there")
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for done in [pool.submit(_download, store, path, _inside(target, path, prefix)) for path in found]:
            done.result()


def _one(store: S3Store, path: str) -> list[str]:
    try:
        return [obstore.head(store, path)["path"]]
    except FileNotFoundError:
        return []


def _inside(target: Path, name: str, prefix: str) -> Path:
    path = target / name.removeprefix(prefix)
    if ".." in path.parts or not path.resolve().is_relative_to(target.resolve()):
        raise WeightsProblem(FETCH_FAILED, f"object {name} would lie outside the folder of the weights")
    return path


def _download(store: S3Store, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for chunk in obstore.get(store, name).stream(min_chunk_size=8 << 20):
            file.write(chunk)
