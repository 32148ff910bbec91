"""Writes OCI images as files that containerd imports: no registry, no Docker, and the same bytes for the same files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from dev.cluster.machine import architecture

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYOUT, LAYOUT_CONTENT = "oci-layout", b'{"imageLayoutVersion":"1.0.0"}'
INDEX_FILE = "index.json"
NAME = "io.containerd.image.name"
"""The annotation by which containerd names what it imports."""


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    to: str


@dataclass(frozen=True)
class Folder:
    """A folder with permissions of its own; others are 0755, and need no entry."""

    mode: int


Content = Path | bytes | Link | Folder
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
    imported_as: str = ""
    """The name that an import gives it, where that isn't the reference as well."""


def write(image: Image, folder: Path) -> Archive:
    """Write the image into the folder. ``ctr images import`` takes it, and a node that did pulls neither name of it."""
    with tempfile.TemporaryFile(dir=folder) as stream:
        layer = _write_layer(image, stream)
        config = json_bytes(_config(image, layer["digest"]))
        manifest = json_bytes(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": described(CONFIG, config), "layers": [layer]}
        )
        by_digest = f"{image.repository}@{digest(manifest)}"
        # The kubelet asks for what a pod names, letter by letter: an image under its tag isn't found by its digest.
        named = [{**described(MANIFEST, manifest), "annotations": {NAME: n}} for n in (image.reference, by_digest)]
        path = folder / f"{_file_name(image.reference)}.tar"
        with tarfile.open(path, "w") as tar:
            add(tar, LAYOUT, LAYOUT_CONTENT)
            for content in (config, manifest):
                add(tar, blob(digest(content)), content)
            stream.seek(0)
            tar.addfile(entry(blob(layer["digest"]), size=layer["size"]), stream)
            add(tar, INDEX_FILE, json_bytes({"schemaVersion": 2, "mediaType": INDEX, "manifests": named}))
    return Archive(path, by_digest)


def tree(source: Path, at: str, without: Sequence[str] = ()) -> Files:
    """Return the files and links of a folder by their paths under ``at``, without those whose name matches a pattern."""
    found: Files = {}
    for directory, folders, names in os.walk(source):
        here = Path(directory)
        folders[:] = [name for name in folders if not _matches(name, without)]
        inside = PurePosixPath(at) / here.relative_to(source).as_posix()
        for path in (here / name for name in [*folders, *names] if not _matches(name, without)):
            if path.is_symlink():
                found[str(inside / path.name)] = Link(os.readlink(path))
            elif not path.is_dir():
                found[str(inside / path.name)] = path
    return found


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(PurePosixPath(name).match(pattern) for pattern in patterns)


def write_files(files: Mapping[str, Content], stream: IO[bytes]) -> None:
    """Write files as a layer, not compressed."""
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in sorted(_folders(files)):
            tar.addfile(entry(name, mode=0o755, kind=tarfile.DIRTYPE))
        for path, content in sorted(files.items()):
            add(tar, path.lstrip("/"), content)


def _write_layer(image: Image, stream: io.BufferedRandom) -> dict[str, Any]:
    """Write the only layer, as it will be unpacked: to compress it takes longer than to copy it."""
    write_files(image.files, stream)
    size = stream.tell()
    stream.seek(0)
    return {"mediaType": LAYER, "digest": f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}", "size": size}


def _folders(paths: Mapping[str, object]) -> set[str]:
    above = {str(folder) for path in paths for folder in PurePosixPath(path.lstrip("/")).parents}
    return above - {"."}


def add(tar: tarfile.TarFile, name: str, content: Content) -> None:
    """Add an entry to an archive. Of a file's permissions, only whether its owner may run it is kept."""
    match content:
        case Link():
            link = entry(name, mode=0o777, kind=tarfile.SYMTYPE)
            link.linkname = content.to
            tar.addfile(link)
        case Folder():
            tar.addfile(entry(name, mode=content.mode, kind=tarfile.DIRTYPE))
        case bytes():
            mode = 0o755 if content.startswith(b"#!") else 0o644
            tar.addfile(entry(name, mode=mode, size=len(content)), io.BytesIO(content))
        case _:
            with content.open("rb") as stream:
                found = os.fstat(stream.fileno())
                mode = 0o755 if found.st_mode & 0o100 else 0o644
                tar.addfile(entry(name, mode=mode, size=found.st_size), stream)


def entry(name: str, *, mode: int = 0o644, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """Return the head of an entry. Owner and time are root and 0, as TarInfo has them: nothing of the machine is in it."""
    head = tarfile.TarInfo(name)
    head.mode, head.size, head.type = mode, size, kind
    return head


def _config(image: Image, layer: str) -> dict[str, Any]:
    started = {
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.command),
        "Env": [f"{name}={value}" for name, value in sorted(image.environment.items())],
        "User": image.user,
        "WorkingDir": image.directory,
    }
    return {
        "architecture": architecture(),
        "os": "linux",
        "config": {key: value for key, value in started.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    }


def described(kind: str, content: bytes) -> dict[str, Any]:
    """Return a descriptor of a blob."""
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}


def digest(content: bytes) -> str:
    """Return the digest by which a blob is named."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def blob(named: str) -> str:
    """Return the path of a blob in a layout."""
    return f"blobs/{named.replace(':', '/')}"


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Return the one way in which a value is written as JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _file_name(reference: str) -> str:
    return reference.replace("/", "_").replace(":", "_")
