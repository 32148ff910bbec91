"""The image for all architectures as one file: an OCI layout, with a bill of materials that refers to each architecture's image.

The index has the bills of materials as well, under a platform that no node has. So they come along wherever it is copied, and a
registry that knows referrers lists them with the image. As images of their own in the layout, they would be in the way: skopeo and
Podman take a layout with more than one image only with a name.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import facts, oci, sbom
from .layers import Layer
from .oci import described
from .sbom import Part

LAYER = f"{oci.LAYER}+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
_NOTHING = b"{}"
_VARIANTS = {"arm64": "v8"}
_NO_PLATFORM = {"architecture": "unknown", "os": "unknown"}
_VERSION, _REVISION = "org.opencontainers.image.version", "org.opencontainers.image.revision"


@dataclass(frozen=True)
class Platform:
    """The image of one architecture."""

    architecture: str
    layers: Sequence[Layer]
    """From the lowest."""
    parts: Sequence[Part]
    """What is in them."""


@dataclass(frozen=True)
class Release:
    """What a build is named."""

    version: str
    revision: str = ""
    """The commit; empty where it isn't known, and then no label says it."""
    repository: str = facts.REPOSITORY

    @property
    def reference(self) -> str:
        """The image by its tag."""
        return f"{self.repository}:{self.version}"

    @property
    def labels(self) -> dict[str, str]:
        """What the image says of itself, as labels and as annotations."""
        revision = {_REVISION: self.revision} if self.revision else {}
        return {**facts.LABELS, _VERSION: self.version, **revision}


@dataclass(frozen=True)
class Built:
    """A written archive."""

    path: Path
    release: Release
    digest: str
    """Of the index, by which a pod on any architecture names the image."""
    sizes: Mapping[str, int]
    """By architecture, the compressed size of its layers in bytes."""
    documents: Mapping[str, bytes]
    """By architecture, its bill of materials."""

    @property
    def archive(self) -> oci.Archive:
        """The image as a node takes it."""
        return oci.Archive(self.path, f"{self.release.repository}@{self.digest}", self.release.reference)


def write(platforms: Sequence[Platform], release: Release, path: Path) -> Built:
    """Write the archive: the same bytes for the same layers, parts and release."""
    blobs: dict[str, bytes | Path] = {}
    images, referrers, documents = [], [], {}
    for platform in platforms:
        image = _image(platform, release, blobs)
        images.append(image)
        document = sbom.document(platform.parts, release.version, platform.architecture, image["digest"])
        documents[platform.architecture] = document
        referrers.append(_referrer(image, document, platform.architecture, blobs))
    index = oci.json_bytes(
        {
            "schemaVersion": 2,
            "mediaType": oci.INDEX,
            "manifests": [*images, *referrers],
            "annotations": release.labels,
        }
    )
    digest = _keep(index, blobs)
    names = {oci.NAME: release.reference, "org.opencontainers.image.ref.name": release.version}
    entries = [{**described(oci.INDEX, index), "annotations": names}]
    with tarfile.open(path, "w") as tar:
        oci.add(tar, oci.LAYOUT, oci.LAYOUT_CONTENT)
        for name, content in sorted(blobs.items()):
            oci.add(tar, oci.blob(name), content)
        oci.add(
            tar,
            oci.INDEX_FILE,
            oci.json_bytes({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries}),
        )
    sizes = {platform.architecture: sum(layer.size for layer in platform.layers) for platform in platforms}
    return Built(path, release, digest, sizes, documents)


def _image(platform: Platform, release: Release, blobs: dict[str, bytes | Path]) -> dict[str, Any]:
    layers = []
    for layer in platform.layers:
        blobs[layer.digest] = layer.path
        layers.append({"mediaType": LAYER, "digest": layer.digest, "size": layer.size})
    config = oci.json_bytes(_config(platform, release))
    _keep(config, blobs)
    manifest = oci.json_bytes(
        {
            "schemaVersion": 2,
            "mediaType": oci.MANIFEST,
            "config": described(oci.CONFIG, config),
            "layers": layers,
            "annotations": release.labels,
        }
    )
    _keep(manifest, blobs)
    return {**described(oci.MANIFEST, manifest), "platform": _platform(platform.architecture)}


def _platform(architecture: str) -> dict[str, str]:
    variant = _VARIANTS.get(architecture)
    return {"architecture": architecture, "os": "linux", **({"variant": variant} if variant else {})}


def _config(platform: Platform, release: Release) -> dict[str, Any]:
    return {
        **_platform(platform.architecture),
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": facts.USER,
            "Env": [f"{name}={value}" for name, value in sorted(facts.ENVIRONMENT.items())],
            "Entrypoint": list(facts.ENTRYPOINT),
            "Cmd": list(facts.COMMAND),
            "WorkingDir": "/",
            "Labels": release.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in platform.layers]},
    }


def _referrer(
    image: Mapping[str, Any], document: bytes, architecture: str, blobs: dict[str, bytes | Path]
) -> dict[str, Any]:
    """Return a descriptor of the manifest that says what is in an image."""
    _keep(document, blobs)
    _keep(_NOTHING, blobs)
    title = {"org.opencontainers.image.title": f"daulat.{architecture}.cdx.json"}
    manifest = oci.json_bytes(
        {
            "schemaVersion": 2,
            "mediaType": oci.MANIFEST,
            "artifactType": sbom.MEDIA_TYPE,
            "config": described(EMPTY, _NOTHING),
            "layers": [{**described(sbom.MEDIA_TYPE, document), "annotations": title}],
            "subject": {key: image[key] for key in ("mediaType", "digest", "size")},
        }
    )
    _keep(manifest, blobs)
    # Without an artifactType here, which skopeo 1.9 would drop, so that what it copies has another digest.
    return {**described(oci.MANIFEST, manifest), "platform": _NO_PLATFORM}


def _keep(content: bytes, blobs: dict[str, bytes | Path]) -> str:
    digest = oci.digest(content)
    blobs[digest] = content
    return digest


def read(path: Path, name: str) -> Any:
    """Return a blob of an archive that is JSON, by its digest; or ``index.json``."""
    with tarfile.open(path) as tar:
        stream = tar.extractfile(oci.blob(name) if name.startswith("sha256:") else name)
        assert stream is not None
        return json.load(stream)
