"""Fetches weights from an object store that speaks S3."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path, PurePosixPath

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from daulat.api.weights import FETCH_FAILED, Source

from . import network
from .location import check_plain
from .problem import WeightsProblem

_AT_ONCE = 8


def fetch(source: Source, endpoint: str, target: Path) -> None:
    """Fetch every object under the prefix, or the one object that the path names. Raises WeightsProblem."""
    check_plain(source)
    try:
        _fetch(_store(source.head, endpoint), source, endpoint, target)
    except BaseError as error:
        raise WeightsProblem(FETCH_FAILED, f"{source.uri} from {endpoint}: {_told(error)}") from error


def _store(bucket: str, endpoint: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=endpoint,
        # A bucket as a part of the path needs no wildcard in DNS or in the server's certificate.
        virtual_hosted_style_request=False,
        skip_signature="AWS_ACCESS_KEY_ID" not in os.environ,
        region=os.environ.get("AWS_REGION", "us-east-1"),
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=network.CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=network.READ_SECONDS),
            "timeout": timedelta(seconds=network.UNLIMITED_SECONDS),
        },
        retry_config={
            "max_retries": network.RETRIES,
            "backoff": {
                "init_backoff": timedelta(seconds=1),
                "max_backoff": timedelta(seconds=network.LONGEST_PAUSE_SECONDS),
                "base": 2,
            },
            "retry_timeout": timedelta(seconds=network.UNLIMITED_SECONDS),
        },
    )


def _fetch(store: S3Store, source: Source, endpoint: str, target: Path) -> None:
    found = _files(store, source.path)
    prefix = f"{source.path}/" if source.path else ""
    if not found and source.path:
        found, prefix = _one(store, source.path), source.path.removesuffix(source.path.rpartition("/")[2])
    if not found:
        raise WeightsProblem(FETCH_FAILED, f"{source.uri}: bucket {source.head} at {endpoint} has nothing there")
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        # map() cancels what hasn't begun when one fails: there's no use in the rest then.
        list(pool.map(lambda path: _download(store, path, _inside(target, path, prefix), endpoint), found))


def _files(store: S3Store, prefix: str) -> list[str]:
    """Return the paths of the objects under a prefix, without those that only stand for a folder.

    Consoles, MinIO and Hadoop make empty objects for folders, with a name that ends in a slash or in ``_$folder$``. The library
    drops the slash, so such an object is listed under a name that doesn't exist.
    """
    listed = [o for batch in obstore.list(store, prefix or None) for o in batch]
    folders = {str(parent) for o in listed for parent in PurePosixPath(o["path"]).parents}
    return [
        o["path"]
        for o in listed
        if o["size"]
        or not (
            o["path"] == prefix or o["path"] in folders or o["path"].endswith("_$folder$") or not _one(store, o["path"])
        )
    ]


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


def _download(store: S3Store, name: str, path: Path, endpoint: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        try:
            for chunk in obstore.get(store, name).stream(min_chunk_size=8 << 20):
                file.write(chunk)
        except BaseError as error:
            # An error within the body doesn't say which object it was.
            raise WeightsProblem(FETCH_FAILED, f"object {name} from {endpoint}: {_told(error)}") from error


def _told(error: BaseError) -> str:
    """Return the library's sentence, and the kind of error (Connect, Timeout), which it leaves to the lines for developers."""
    kind = re.search(r"HttpError \{\s+kind: (\w+)", str(error))
    return network.describe(error) + (f" ({kind[1]})" if kind else "")
