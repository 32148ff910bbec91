"""Reads what a statement is made from or compared with: Nodes, zones, policies, ResourceSlices and NodeAttestations in files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from daulat.api.attestation import Envelope, NodeAttestationSpec
from daulat.api.policy import SovereigntyPolicySpec
from daulat.api.zone import SovereignZoneSpec
from daulat.attestation.statement import problems
from daulat.catalog import presets
from daulat.facts.devices import Device, parse_slice
from daulat.manifest.document import Document

from .. import objects
from ..errors import fail, fail_if
from ..files import Unreadable, files

T = TypeVar("T")
_LARGEST = 1 << 20
"""Bytes of a statement or an envelope: many times what one may have."""


@dataclass(frozen=True)
class SeenNode:
    """A node, as `kubectl get node -o json` writes it."""

    name: str
    system_uuid: str


@dataclass
class Given:
    """The objects in the files, by name."""

    nodes: dict[str, SeenNode] = field(default_factory=dict)
    zones: dict[str, SovereignZoneSpec] = field(default_factory=dict)
    policies: dict[str, SovereigntyPolicySpec] = field(default_factory=dict)
    attestations: dict[str, Envelope] = field(default_factory=dict)
    _devices: list[tuple[str, Device]] = field(default_factory=list)

    def devices(self, node: str) -> list[Device]:
        """Return the devices that ResourceSlices show on a node, each once."""
        found = {device.id: device for name, device in self._devices if name == node}
        return list(found.values())

    def take(self, document: Document) -> None:
        """Take an object in, where it is of a kind that matters here."""
        raw = document.object
        if document.kind == "Node":
            info = (raw.get("status") or {}).get("nodeInfo") or {}
            uuid = str(info.get("systemUUID") or "").lower()
            _once(self.nodes, document, SeenNode(document.name, uuid))
        elif document.kind == "ResourceSlice":
            self._devices += _on_nodes(raw)
        elif document.kind == "SovereignZone":
            self.zones[document.name] = SovereignZoneSpec.model_validate(raw.get("spec"))
        elif document.kind == "SovereigntyPolicy":
            self.policies[document.name] = presets.expanded(SovereigntyPolicySpec.model_validate(raw.get("spec")))
        elif document.kind == "NodeAttestation":
            _once(self.attestations, document, NodeAttestationSpec.model_validate(raw.get("spec")).envelope)


def _once(known: dict[str, T], document: Document, value: T) -> None:
    """Keep an object by its name. Of two that differ, one would pass unseen."""
    if known.setdefault(document.name, value) != value:
        fail(f'{document.chunk.file}: duplicate {document.kind} "{document.name}" with different contents')


def given(paths: Sequence[str]) -> Given:
    """Read the files. Exits with 2 where one can't be read."""
    found, bare = Given(), []
    manifests = []
    for path in paths:
        envelope = _envelope(path)
        if envelope is None:
            manifests.append(path)
        else:
            bare.append((path, envelope))
    read = objects.read(manifests)
    fail_if(read.problems)
    for document in read.documents:
        try:
            found.take(document)
        except presets.PresetError as error:
            fail(f"{document.chunk.file}: spec.preset: {error}")
    for path, envelope in bare:
        found.attestations[path] = envelope
    return found


def content(path: str) -> bytes:
    """Return a file's bytes, or those of standard input for a dash. Exits with 2 where it can't be read."""
    (found,) = files([path], _LARGEST)
    if isinstance(found, Unreadable):
        fail(f"{found.name}: {found.reason}")
    return found.data


def _envelope(path: str) -> Envelope | None:
    """Return the bare envelope in a JSON file, or None where the file holds anything else."""
    if not path.endswith(".json"):
        return None
    try:
        raw = json.loads(content(path))
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or "payloadType" not in raw:
        return None
    try:
        return Envelope.model_validate(raw)
    except ValidationError as error:
        fail(f"{path}: {problems(error)}")


def _on_nodes(raw: Mapping[str, Any]) -> Iterator[tuple[str, Device]]:
    for device in parse_slice(raw).devices:
        if device.reach is not None and device.reach.node:
            yield device.reach.node, device
