"""Writes what a model says of its pods itself: labels, tolerations, CPU and memory, spreading, volumes; else nothing.

None of it takes the place of what the operator writes: labels and annotations of the operator win, volumes have names of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.pods import ModelVolume
from daulat.facts.snapshot import Model

from .labels import Member, answering


def with_own_metadata(model: Model, metadata: Manifest) -> Manifest:
    """Return the metadata of a pod template or of the Service, with the model's labels and annotations before the operator's."""
    own = model.spec.pod_metadata
    if own is None:
        return metadata
    labels, annotations = {**own.labels, **metadata["labels"]}, {**own.annotations, **metadata["annotations"]}
    return {**metadata, "labels": labels, "annotations": annotations}


def own_metadata(model: Model) -> Manifest | None:
    """Return what the model adds to its pods' metadata, which is part of their revision; None where it adds nothing."""
    own = model.spec.pod_metadata
    if own is None or not (own.labels or own.annotations):
        return None
    return {"labels": dict(own.labels), "annotations": dict(own.annotations)}


def tolerations(model: Model) -> list[Manifest]:
    """Return the tolerations beside that of the accelerator."""
    return [_fields(toleration) for toleration in model.spec.tolerations]


def spread(model: Model, member: Member | None) -> Manifest:
    """Return how the replicas are spread. Workers go where their leader's interconnect is, so leaders alone are spread."""
    if not model.spec.topology_spread_constraints or (member is not None and not member.leader):
        return {}
    counted = {"matchLabels": answering(model, grouped=member is not None)}
    said = model.spec.topology_spread_constraints
    return {"topologySpreadConstraints": [{**_fields(c), "labelSelector": counted} for c in said]}


def compute(model: Model, devices: Manifest) -> Manifest:
    """Return the resources of the engine's container: the devices, with the CPU and memory that the model asks for."""
    asked = model.spec.resources
    if asked is None:
        return devices
    found = dict(devices)
    for part in ("limits", "requests"):
        amounts = getattr(asked, part)
        if amounts is not None and (fields := _fields(amounts)):
            found[part] = {**found.get(part, {}), **fields}
    return found


def volumes(model: Model) -> list[Manifest]:
    """Return the volumes, under names that none of the operator's has."""
    return [{"name": _named(volume), **_source(volume)} for volume in model.spec.volumes]


def mounts(model: Model) -> list[Manifest]:
    """Return where the engine finds them."""
    return [
        {
            "name": _named(volume),
            "mountPath": volume.mount_path,
            **({"readOnly": True} if volume.empty_dir is None else {}),
        }
        for volume in model.spec.volumes
    ]


def _named(volume: ModelVolume) -> str:
    return f"own-{volume.name}"


def _source(volume: ModelVolume) -> Manifest:
    if volume.persistent_volume_claim is not None:
        return {"persistentVolumeClaim": {**_fields(volume.persistent_volume_claim), "readOnly": True}}
    return {k: v for k, v in _fields(volume).items() if k not in ("name", "mountPath")}


def _fields(value: Any) -> Manifest:
    """Return the fields that say something, as Kubernetes calls them."""
    return _without_empty(value.model_dump(by_alias=True, exclude_none=True, mode="json"))


def _without_empty(fields: Mapping[str, Any]) -> Manifest:
    """Leave empty lists out: with one, server-side apply would find a difference each time. An empty source stays."""
    return {
        k: _without_empty(v) if isinstance(v, Mapping) else [_without_empty(i) for i in v] if isinstance(v, list) else v
        for k, v in fields.items()
        if v != []
    }
