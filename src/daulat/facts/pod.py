"""A pod that holds devices or pins. Other pods are of no interest and aren't kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from daulat.api.frozen import FrozenDict
from daulat.api.names import GROUP_LABEL, MODEL_LABEL, NODE_PREFIX, REVISION_ANNOTATION
from daulat.api.quantity import whole

from .node import is_extended
from .shared import shared_mapping, shared_names
from .trouble import PASSING, Trouble, trouble

QUEUE_LABELS = ("kueue.x-k8s.io/local-queue-name", "kueue.x-k8s.io/queue-name")
"""The labels with the queue of a pod: Kueue sets the first on the pods of every workload that it admits, users the second."""

ALL = 10**9
"""What a quantity that can't be read counts as: nothing is free beside it."""
_MAKERS = ("ReplicaSet", "StatefulSet")
"""What makes the pods of models' workloads."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that isn't finished: where it runs, the devices it holds, the policies it is pinned to."""

    namespace: str
    name: str
    node: str
    devices: FrozenDict[str, int]
    pins: frozenset[str]
    model: str
    uid: str = ""
    termination_deadline: str = ""
    """When its time to end by itself is over; empty where nobody has deleted it."""
    grace: int = 30
    """Seconds that it has to end by itself once it is deleted, by its own word."""
    ready: bool = False
    """Whether it serves."""
    revision: str = ""
    """The revision of the template that it was made by, where it is a model's."""
    group: str = ""
    """The group that it belongs to, where a replica has several nodes."""
    waits_since: str = ""
    """Since when the scheduler has found no node for it; empty where it has one, or nobody has looked yet."""
    claim_templates: frozenset[str] = frozenset()
    """The ResourceClaimTemplates that its claims are made from."""
    trouble: Trouble | None = None
    """What keeps a model's pod from serving, as far as its own status tells."""
    is_of_workload: bool = False
    """Whether a ReplicaSet or a StatefulSet made it, where it carries a model's label."""
    loading: bool = False
    """Whether a model's pod has its devices and is on its way to serve: it would be a waste to take it away."""
    queue: str = ""
    """The LocalQueue of Kueue that it came through; empty where it came through none."""

    @property
    def runs(self) -> bool:
        """Whether it is on a node, and isn't being deleted."""
        return bool(self.node) and not self.termination_deadline


def parse_placed(raw: Mapping[str, Any]) -> tuple[str, frozenset[str]] | None:
    """Return on which node a pod is and what pins it; None where it is on none, is finished, or is being deleted."""
    spec = raw.get("spec") or {}
    node = str(spec.get("nodeName") or "")
    if not node or (raw.get("metadata") or {}).get("deletionTimestamp"):
        return None
    if _is_finished(raw):
        return None
    return intern(node), _pins(spec)


def parse_pod(raw: Mapping[str, Any]) -> Pod | None:
    """Read a Pod; None where it holds no device and no pin, or is finished."""
    meta, spec, status = raw.get("metadata") or {}, raw.get("spec") or {}, raw.get("status") or {}
    if _is_finished(raw):
        return None
    devices = requested(spec)
    templates = {str(c.get("resourceClaimTemplateName") or "") for c in spec.get("resourceClaims") or ()}
    pins = _pins(spec)
    if not devices and not pins:
        return None
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    model = str(labels.get(MODEL_LABEL) or "")
    conditions = {str(c.get("type")): c for c in status.get("conditions") or ()} if model else {}
    scheduled = conditions.get("PodScheduled", {})
    waits = scheduled.get("status") == "False" and not spec.get("nodeName")
    ready = conditions.get("Ready", {}).get("status") == "True"
    troubled = trouble(status, spec) if model else None
    comes = bool(model and spec.get("nodeName")) and not ready and not meta.get("deletionTimestamp")
    return Pod(
        namespace=intern(str(meta.get("namespace") or "")),
        name=str(meta.get("name") or ""),
        node=intern(str(spec.get("nodeName") or "")),
        devices=shared_mapping(devices),
        pins=pins,
        model=model,
        uid=str(meta.get("uid") or ""),
        grace=int(spec.get("terminationGracePeriodSeconds", 30)),
        termination_deadline=str(meta.get("deletionTimestamp") or ""),
        ready=ready,
        revision=str(annotations.get(REVISION_ANNOTATION) or "") if model else "",
        group=str(labels.get(GROUP_LABEL) or "") if model else "",
        waits_since=str(scheduled.get("lastTransitionTime") or "") if waits else "",
        trouble=troubled,
        loading=comes and (troubled is None or troubled.reason in PASSING),
        is_of_workload=bool(model)
        and any(o.get("controller") and o.get("kind") in _MAKERS for o in meta.get("ownerReferences") or ()),
        claim_templates=shared_names(templates - {""}) if model else frozenset(),
        queue=next((str(labels[name]) for name in QUEUE_LABELS if labels.get(name)), "") if devices else "",
    )


def _is_finished(raw: Mapping[str, Any]) -> bool:
    return (raw.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _pins(spec: Mapping[str, Any]) -> frozenset[str]:
    return shared_names(key for key in spec.get("nodeSelector") or {} if key.startswith(NODE_PREFIX))


def requested(spec: Mapping[str, Any]) -> dict[str, int]:
    """Return the devices that a pod's spec asks for, by extended resource.

    Containers are added up as the scheduler does it: init containers count where they ask for more, sidecars always."""
    total: dict[str, int] = {}
    for container in spec.get("containers") or ():
        _add(total, _devices(container))
    peak: dict[str, int] = {}
    sidecars: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        own = _devices(container)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, own)
            own = {}
        for name in {*own, *sidecars}:
            peak[name] = max(peak.get(name, 0), own.get(name, 0) + sidecars.get(name, 0))
    _add(total, sidecars)
    return {name: max(total.get(name, 0), peak.get(name, 0)) for name in {*total, *peak}}


def _devices(container: Mapping[str, Any]) -> dict[str, int]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    counts = {name: whole(quantity) for name, quantity in asked.items() if is_extended(name)}
    return {name: ALL if count is None else count for name, count in counts.items()}


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count
