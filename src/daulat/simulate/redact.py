"""Takes out of an object what no simulation reads: a snapshot may leave the cluster's network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daulat.api.kinds import Manifest
from daulat.api.names import GROUP, NODE_PREFIX
from daulat.catalog.kubernetes import PIN_ANNOTATIONS
from daulat.kube.resources import WATCHED, Resource

KINDS: tuple[Resource, ...] = WATCHED
"""What a simulation is made from: what the operator watches. Secrets and ConfigMaps aren't among them."""
_META = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation", "labels", "finalizers")
_OWNER = ("apiVersion", "kind", "name", "uid", "controller")
_TEXTS = ("args", "command", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "workingDir")
_POD_STATUS = ("phase",)
_NODE_STATUS = ("allocatable", "capacity")
_NODE_INFO = ("kubeletVersion", "containerRuntimeVersion", "systemUUID")
_OPTIONS = {"csi": "volumeAttributes", "flexVolume": "options"}
"""What volumes carry for their driver, by the field of their type: some drivers take credentials there."""
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def redacted(kind: str, raw: Manifest) -> Manifest:
    """Return an object of a kind as a snapshot has it: no values of variables, no commands, no annotations of others."""
    made: Manifest = {**raw, "metadata": _metadata(raw.get("metadata") or {})}
    if kind == "Pod":
        made["spec"] = _pod(raw.get("spec") or {})
        made["status"] = {**_some(raw.get("status") or {}, _POD_STATUS), "conditions": _conditions(raw)}
    elif kind == "Node":
        status = raw.get("status") or {}
        info = {"nodeInfo": _some(status.get("nodeInfo") or {}, _NODE_INFO)}
        made["spec"] = _some(raw.get("spec") or {}, ("taints", "unschedulable"))
        made["status"] = {**_some(status, _NODE_STATUS), **info, "conditions": _conditions(raw)}
    elif kind == "Namespace":
        made.pop("spec", None)
        made.pop("status", None)
    elif kind == "PersistentVolume":
        made["spec"] = _volume(raw.get("spec") or {})
    elif isinstance(spec := raw.get("spec"), Mapping):
        made["spec"] = _templates(dict(spec))
    return made


def _metadata(meta: Mapping[str, Any]) -> Manifest:
    kept = _some(meta, _META)
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if _is_read(k)}
    owners = [_some(owner, _OWNER) for owner in meta.get("ownerReferences") or ()]
    return {
        **kept,
        **({"annotations": annotations} if annotations else {}),
        **({"ownerReferences": owners} if owners else {}),
    }


def _is_read(annotation: str) -> bool:
    prefix = annotation.partition("/")[0]
    return prefix == GROUP or annotation.startswith(NODE_PREFIX) or annotation in PIN_ANNOTATIONS


def _conditions(raw: Manifest) -> list[Manifest]:
    found = (raw.get("status") or {}).get("conditions") or ()
    return [_some(c, ("type", "status", "reason", "lastTransitionTime")) for c in found]


def _pod(spec: Mapping[str, Any]) -> Manifest:
    made = dict(spec)
    for key in _CONTAINERS:
        if key in spec:
            made[key] = [_container(c) for c in spec[key] or ()]
    if spec.get("volumes"):
        made["volumes"] = [_volume(volume) for volume in spec["volumes"]]
    return made


def _volume(volume: Mapping[str, Any]) -> Manifest:
    made = dict(volume)
    for source, options in _OPTIONS.items():
        if isinstance(found := volume.get(source), Mapping):
            made[source] = {k: v for k, v in found.items() if k != options}
    return made


def _container(container: Mapping[str, Any]) -> Manifest:
    made = {k: v for k, v in container.items() if k not in _TEXTS}
    if container.get("env"):
        # Names stay: controls refuse some. A value may be a password.
        made["env"] = [{"name": variable.get("name", "")} for variable in container["env"]]
    made.pop("envFrom", None)
    return made


def _templates(spec: Manifest) -> Manifest:
    """Return a workload's spec with its pod templates redacted."""
    if isinstance(template := spec.get("template"), dict) and "spec" in template:
        meta = template.get("metadata") or {}
        return {**spec, "template": {**template, "metadata": {**_metadata(meta)}, "spec": _pod(template["spec"])}}
    if isinstance(group := spec.get("leaderWorkerTemplate"), dict):
        parts = {
            k: _templates({"template": group[k]})["template"]
            for k in ("leaderTemplate", "workerTemplate")
            if k in group
        }
        return {**spec, "leaderWorkerTemplate": {**group, **parts}}
    return spec


def _some(found: Mapping[str, Any], keys: tuple[str, ...]) -> Manifest:
    return {k: found[k] for k in keys if k in found}
