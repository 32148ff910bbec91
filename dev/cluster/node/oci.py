"""Writes an OCI image as a file that a node's containerd imports: no registry, no Docker, and the same bytes for the same files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NAME = "io.containerd.image.name"
"""The annotation by which containerd names what it imports."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    to: str


Content = Path | bytes | Link
Files = dict[str, Content]
"""What is in an image, by its path there."""


@dataclass(frozen=True)
class Image:
    """What an image has in it, and how it starts."""

    reference: str
    """Its repository and tag."""
    files: Mapping[str, Content]
    """By their path in the image. Everybody may read them, and run those that are programs or scripts."""
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    directory: str = "/"

    @property
    def repository(self) -> str:
        """The reference without its tag."""
        return self.reference.rpartition(":")[0]


@dataclass(frozen=True)
class Archive:
    """A written image."""

    path: Path
    reference: str
    """The image by its digest, as pods name it."""


def write(image: Image, folder: Path) -> Archive:
    """Write the image into the folder. ``ctr images import`` takes it, and a node that did pulls neither name of it."""
    with tempfile.TemporaryFile(dir=folder) as stream:
        layer = _write_layer(image, stream)
        config = _json(_config(image, layer["digest"]))
        manifest = _json(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": _described(CONFIG, config), "layers": [layer]}
        )
        by_digest = f"{image.repository}@{_digest(manifest)}"
        # The kubelet asks for what a pod names, letter by letter: an image under its tag isn't found by its digest.
        named = [{**_described(MANIFEST, manifest), "annotations": {NAME: n}} for n in (image.reference, by_digest)]
        index = _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": named})
        path = folder / f"{_file_name(image.reference)}.tar"
        with tarfile.open(path, "w") as tar:
            _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            for blob in (config, manifest):
                _add(tar, _blob(_digest(blob)), blob)
            stream.seek(0)
            tar.addfile(_entry(_blob(layer["digest"]), size=layer["size"]), stream)
            _add(tar, "index.json", index)
    return Archive(path, by_digest)


def tree(source: Path, at: str, without: Sequence[str] = ()) -> Files:
    """Return the files of a folder by their paths under ``at``, without files and folders whose name matches a pattern."""
    found: Files = {}
    for directory, folders, names in os.walk(source):
        here = Path(directory)
        folders[:] = [name for name in folders if not _matches(name, without)]
        inside = PurePosixPath(at) / here.relative_to(source).as_posix()
        found |= {str(inside / name): here / name for name in names if not _matches(name, without)}
    return found


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(PurePosixPath(name).match(pattern) for pattern in patterns)


def _write_layer(image: Image, stream: io.BufferedRandom) -> dict[str, Any]:
    """Write the only layer, as it will be unpacked: to compress it takes longer than to copy it."""
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in sorted(_folders(image.files)):
            tar.addfile(_entry(name, mode=0o755, kind=tarfile.DIRTYPE))
        for path, content in sorted(image.files.items()):
            _add(tar, path.lstrip("/"), content)
    size = stream.tell()
    stream.seek(0)
    return {"mediaType": LAYER, "digest": f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}", "size": size}


def _folders(paths: Mapping[str, object]) -> set[str]:
    above = {str(folder) for path in paths for folder in PurePosixPath(path.lstrip("/")).parents}
    return above - {"."}


def _add(tar: tarfile.TarFile, name: str, content: Content) -> None:
    match content:
        case Link():
            entry = _entry(name, mode=0o777, kind=tarfile.SYMTYPE)
            entry.linkname = content.to
            tar.addfile(entry)
        case bytes():
            mode = 0o755 if content.startswith(b"#!") else 0o644
            tar.addfile(_entry(name, mode=mode, size=len(content)), io.BytesIO(content))
        case _:
            with content.open("rb") as stream:
                found = os.fstat(stream.fileno())
                mode = 0o755 if found.st_mode & 0o100 else 0o644
                tar.addfile(_entry(name, mode=mode, size=found.st_size), stream)


def _entry(name: str, *, mode: int = 0o644, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    # Owner and time are root and 0, as TarInfo has them: nothing of the machine is in the image.
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size, entry.type = mode, size, kind
    return entry


def _config(image: Image, layer: str) -> dict[str, Any]:
    started = {
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.command),
        "Env": [f"{name}={value}" for name, value in sorted(image.environment.items())],
        "User": image.user,
        "WorkingDir": image.directory,
    }
    machine = platform.machine()
    return {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {key: value for key, value in started.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    }


def _described(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _file_name(reference: str) -> str:
    return reference.replace("/", "_").replace(":", "_")
