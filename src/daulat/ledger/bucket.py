"""A log's files in a bucket that speaks S3 with conditional writes. Two writers can't fork the log, whichever holds the lock.

A bucket has no lock that ends with its owner, so the lock only avoids useless work. What decides is ``.pending``: it is replaced
only as it was last read, and it has the tiles and bundles of its head in it. So the heads of a log follow each other one by one,
and the files of each have one content, which any writer writes alike, however late. The checkpoint is replaced only as it was last
read, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from .errors import Inconsistent, Locked, Malformed
from .reader import CHECKPOINT, PENDING

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ObjectStore

T = TypeVar("T")

LOCK = ".lock"
_TILES = "tile/"
_LARGEST = 17 << 20
"""Bytes: a bundle of 256 entries of 65,535 bytes is less, so what is larger is no file of a log."""
_AT_ONCE = 8
"""Requests."""


class BucketError(OSError):
    """The bucket can't be read or written."""


class Objects:
    """``Files`` of a log in an object store of ``obstore``, for readers. Safe for use by several threads."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def get(self, path: str) -> bytes | None:
        """Return an object's bytes, or None where there is none. BucketError if it can't be read."""
        return _fetched(self._objects, path, _LARGEST)[0]


class Bucket:
    """A ``Store`` in an object store of ``obstore``. Not safe for use by several threads, but for ``get`` of tiles."""

    def __init__(self, objects: ObjectStore, owner: str, takeover: bool = False) -> None:
        """Use the objects under an object store's prefix.

        ``owner`` names this process in the lock, such as its pod: the same owner gets the lock again after a crash. With
        ``takeover`` the lock is taken from any owner. That is for a caller that has excluded others, such as by a Lease.
        """
        self._objects, self._owner, self._takeover = objects, owner, takeover
        self._tags: dict[str, str | None] = {}
        """By path of what is replaced conditionally: the ETag last seen, None where there was no object."""
        self._checkpoint = b""
        self._unwritten: dict[str, bytes] = {}
        """Tiles and bundles of the head that is about to be signed, which are written with it."""

    def get(self, path: str) -> bytes | None:
        """Return an object's bytes, or None where there is none. BucketError if it can't be read."""
        data = self._unwritten.get(path)
        if data is not None:
            return data
        data = self._read(path)
        if path == CHECKPOINT:
            self._checkpoint = data or b""
        if path != PENDING or data is None:
            return data
        head, files = _unpacked(data)
        # The writer may have ended between its head and the files of it. They are there if the checkpoint is of this head.
        if not self._checkpoint.startswith(head + b"\n"):
            self._write(files)
        return head

    def put(self, path: str, data: bytes) -> None:
        """Write an object; tiles and bundles are kept until the head of which they are is written.

        What isn't a file of the log, such as facts named by their digests, is written at once and without a condition.

        Locked if another process has written the checkpoint or the head since they were read. BucketError if it can't be written:
        then it is as it was before, or as it is now.
        """
        if path.startswith(_TILES):
            self._unwritten[path] = data
        elif path == PENDING:
            self._replace(path, _packed(data, self._unwritten))
            self._write(self._unwritten)
            self._unwritten = {}
        elif path == CHECKPOINT:
            self._replace(path, data)
        else:
            # What lies beside the log is named by its digest.
            self._write({path: data})

    def remove_partial(self, path: str) -> None:
        """Remove a tile's partial versions."""
        found = [o["path"] for batch in _asked(lambda: list(obstore.list(self._objects, f"{path}.p"))) for o in batch]
        if found:
            _asked(lambda: obstore.delete(self._objects, found))

    def lock(self) -> None:
        """Write the owner into ``.lock``. Locked if there is another one, unless it is taken over.

        Inconsistent if the bucket ignores the conditions of writes: two writers could fork the log there.
        """
        self._unwritten = {}
        data = self._read(LOCK)
        owner = _owner(data)
        if owner not in ("", self._owner) and not self._takeover:
            raise Locked(f"{LOCK} is held by {owner}: if that process has ended for certain, take the lock over")
        self._replace(LOCK, _lock(self._owner))
        unmet: tuple[PutMode, ...] = ("create", {"e_tag": '"0123456789abcdef0123456789abcdef"'})
        for mode in unmet:
            try:
                obstore.put(self._objects, LOCK, _lock(self._owner), mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                continue
            except BaseError as error:
                raise BucketError(f"{LOCK}: {error}") from error
            raise Inconsistent("this bucket ignores the conditions of writes (If-Match, If-None-Match)")

    def unlock(self) -> None:
        """Leave ``.lock`` without an owner. One that was taken over stays, and so does one that can't be written."""
        self._unwritten = {}
        if self._tags.get(LOCK) is not None:
            try:
                self._replace(LOCK, _lock(""))
            except (Locked, BucketError):
                # The same owner gets it again, and another one takes it over.
                return
            finally:
                self._tags.pop(LOCK, None)

    def _read(self, path: str) -> bytes | None:
        data, tag = _fetched(self._objects, path, None if path == PENDING else _LARGEST)
        if path in (CHECKPOINT, PENDING, LOCK):
            self._tags[path] = tag
        return data

    def _replace(self, path: str, data: bytes) -> None:
        """Write an object that is as it was last seen. Locked if it isn't."""
        if path not in self._tags:
            raise BucketError(f"{path}: it has to be read before it is written")
        seen = self._tags[path]
        mode: PutMode = "create" if seen is None else {"e_tag": seen}
        try:
            done = obstore.put(self._objects, path, data, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError) as error:
            # The client repeats a write whose answer was lost, and meets what it has written itself.
            if self._read(path) != data:
                raise Locked(f"{path}: another process writes to this log") from error
        except BaseError as error:
            raise BucketError(f"{path}: {error}") from error
        else:
            self._tags[path] = done["e_tag"]

    def _write(self, files: Mapping[str, bytes]) -> None:
        """Write tiles and bundles. Every writer has the same bytes for them."""

        def put(file: tuple[str, bytes]) -> None:
            _asked(lambda: obstore.put(self._objects, *file, use_multipart=False))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(put, files.items()))


def s3(bucket: str, prefix: str = "", endpoint: str | None = None, region: str = "us-east-1") -> ObjectStore:
    """Return a bucket's objects under a prefix. Credentials are those in the environment, as AWS's own clients read them.

    ``endpoint`` is the URL of a server that isn't AWS's, with the bucket as a part of the path. A request that fails is repeated
    for at most 30 seconds.
    """
    return S3Store(
        bucket,
        prefix=prefix or None,
        endpoint=endpoint,
        region=region,
        virtual_hosted_style_request=endpoint is None,
        client_options={
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(seconds=30),
        },
        retry_config={
            "max_retries": 5,
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2},
            "retry_timeout": timedelta(seconds=30),
        },
    )


def _fetched(objects: ObjectStore, path: str, largest: int | None) -> tuple[bytes | None, str | None]:
    """Return an object's bytes and its ETag, or None for both where there is none. ``largest`` counts bytes."""
    try:
        found = obstore.get(objects, path)
        if largest is not None and found.meta["size"] > largest:
            raise BucketError(f"{path}: {found.meta['size']} bytes, which no file of a log has")
        return bytes(found.bytes()), found.meta["e_tag"]
    except FileNotFoundError:
        return None, None
    except BaseError as error:
        raise BucketError(f"{path}: {error}") from error


def _asked(request: Callable[[], T]) -> T:
    try:
        return request()
    except BaseError as error:
        raise BucketError(str(error)) from error


def _lock(owner: str) -> bytes:
    return json.dumps({"owner": owner}).encode()


def _owner(data: bytes | None) -> str:
    """Return the owner of the lock; empty where there is none."""
    try:
        return "" if data is None else str(json.loads(data)["owner"])
    except (ValueError, TypeError, KeyError) as error:
        raise Inconsistent(f"{LOCK} can't be read: {error}") from error


def _packed(head: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return a head with its files: the head, an empty line, and for each file its length, its path, a line end and its bytes."""
    return b"\n".join([head, *(f"{len(data)} {path}\n".encode() + data for path, data in files.items())])


def _unpacked(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    head, separator, rest = data.partition(b"\n\n")
    files: dict[str, bytes] = {}
    try:
        while rest:
            line, _, rest = rest.partition(b"\n")
            length, _, path = line.decode("ascii").partition(" ")
            size = int(length)
            if not 0 <= size <= len(rest) or not path.startswith(_TILES) or ".." in path:
                raise Malformed(f"no file of a log: {line[:80]!r}")
            files[path], rest = rest[:size], rest[size:].removeprefix(b"\n")
    except ValueError as error:
        raise Inconsistent(f"{PENDING} can't be read: {error}") from error
    return (head + b"\n" if separator else data), files
