"""An OCI image layout: a folder that holds artefacts of registries, for the way to a network without a connection to them.

Each artefact has its full name outside as its name in the layout, by which skopeo finds it too: ``oci:FOLDER:HOST/NAME:TAG``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .registry import INDEXES
from .transfer import TargetError, TransferError, digest_of

_NAME = "org.opencontainers.image.ref.name"
_MARK, _INDEX = "oci-layout", "index.json"
_CHUNK = 1 << 20


class Layout:
    """What a folder has of one repository, by the full names that its artefacts have outside. Raises TransferError."""

    def __init__(self, folder: Path, name: str, failure: type[TransferError] = TransferError) -> None:
        self.name, self._folder, self._failure = name, folder, failure

    def manifest(self, version: str) -> tuple[str, bytes] | None:
        """Return the media type and the bytes of a manifest by tag or digest, or None where there is none."""
        digest = version if version.startswith("sha256:") else self._tagged().get(f"{self.name}:{version}")
        if digest is None or not self.has_blob(digest):
            return None
        body = b"".join(self.blob(digest))
        if digest_of(body) != digest:
            raise self._failure(f"{self._path(digest)}: has another content than its name says")
        return str(json.loads(body).get("mediaType") or "application/vnd.oci.image.manifest.v1+json"), body

    def put_manifest(self, version: str, media: str, body: bytes) -> None:
        """Store a manifest under a tag or its digest."""
        digest = digest_of(body)
        self.put_blob(digest, len(body), lambda: iter([body]))
        if version.startswith("sha256:"):
            return
        entry = {
            "mediaType": media,
            "digest": digest,
            "size": len(body),
            "annotations": {_NAME: f"{self.name}:{version}"},
        }
        kept = [e for e in self._entries() if (e.get("annotations") or {}).get(_NAME) != f"{self.name}:{version}"]
        index = {
            "schemaVersion": 2,
            "mediaType": INDEXES[0],
            "manifests": [*kept, entry],
        }
        self._write(self._folder / _MARK, [b'{"imageLayoutVersion": "1.0.0"}\n'])
        self._write(self._folder / _INDEX, [json.dumps(index, indent=2).encode()])

    def has_blob(self, digest: str) -> bool:
        """Say whether the blob is there."""
        return self._path(digest).is_file()

    def blob(self, digest: str) -> Iterator[bytes]:
        """Yield a blob's content."""
        try:
            with self._path(digest).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise self._failure(f"{self._path(digest)}: {error.strerror or error}") from error

    def put_blob(self, digest: str, size: int, content: Callable[[], Iterator[bytes]]) -> None:
        """Store a blob, of which ``content`` yields the bytes; it is there when it is whole."""
        self._write(self._path(digest), content())

    def _write(self, path: Path, content: Any) -> None:
        temporary = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                for chunk in content:
                    file.write(chunk)
            temporary.replace(path)
        except OSError as error:
            raise TargetError(f"{path}: {error.strerror or error}") from error

    def _path(self, digest: str) -> Path:
        algorithm, _, digits = digest.partition(":")
        if not (algorithm.isalnum() and digits.isalnum()):
            raise self._failure(f"{self.name}: {digest} is no digest")
        return self._folder / "blobs" / algorithm / digits

    def _tagged(self) -> dict[str, str]:
        return {(e.get("annotations") or {}).get(_NAME, ""): str(e["digest"]) for e in self._entries()}

    def _entries(self) -> list[dict[str, Any]]:
        path = self._folder / _INDEX
        if not path.is_file():
            return []
        try:
            found: list[dict[str, Any]] = json.loads(path.read_bytes())["manifests"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._failure(f"{path}: isn't the index of an OCI image layout") from error
        return found
