"""A PersistentVolume: what it is made of, and which claim has it. It names the claim, so claims needn't be read for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daulat.api.kinds import Manifest

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
"""The older place for a class. It goes before the field."""
_NO_SOURCES = frozenset(
    [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    ]
)


@dataclass(frozen=True)
class Volume:
    """A PersistentVolume."""

    name: str
    storage_class: str
    sources: tuple[str, ...]
    """The fields of its spec that say where it lies, such as csi or nfs."""
    driver: str
    """The CSI driver; empty where it is of another type."""
    namespace: str = ""
    """The namespace of the claim that it is bound to; empty where it is bound to none."""
    claim: str = ""

    def manifest(self) -> Manifest:
        """Return as much of it as controls read."""
        spec: Manifest = {source: {"driver": self.driver} if source == "csi" else {} for source in self.sources}
        spec |= {"storageClassName": self.storage_class}
        spec |= {"claimRef": {"namespace": self.namespace, "name": self.claim}}
        return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": self.name}, "spec": spec}


def parse_volume(raw: Mapping[str, Any]) -> Volume:
    """Read a PersistentVolume. One whose claim is gone belongs to none."""
    meta, spec = raw.get("metadata") or {}, raw.get("spec") or {}
    bound = (raw.get("status") or {}).get("phase") == "Bound"
    claim = spec.get("claimRef") or {} if bound else {}
    old_class = (meta.get("annotations") or {}).get(CLASS_ANNOTATION)
    return Volume(
        name=str(meta.get("name") or ""),
        storage_class=str(spec.get("storageClassName") or "") if old_class is None else str(old_class),
        sources=tuple(sorted(key for key in spec if key not in _NO_SOURCES)),
        driver=str((spec.get("csi") or {}).get("driver") or ""),
        namespace=str(claim.get("namespace") or ""),
        claim=str(claim.get("name") or ""),
    )
