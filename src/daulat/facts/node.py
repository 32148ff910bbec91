"""A node: its labels, what can be allocated on it, whether it takes pods."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from daulat.api.frozen import FrozenDict
from daulat.api.names import UNDECIDED_TAINT
from daulat.api.quantity import rounded_up, whole
from daulat.catalog import kubernetes
from daulat.catalog.kubernetes import CapabilityError, Minor

from .shared import shared_mapping, shared_names, shared_texts
from .unknown import Unknown

IMAGE_VOLUMES = {"containerd": (2, 1), "cri-o": (1, 31), "docker": (10**6, 0)}
"""Since when runtimes mount images as volumes (KEP-4639). cri-dockerd never has."""
IMAGE_VOLUME = kubernetes.feature("image-volumes")
REGION = "topology.kubernetes.io/region"


class Taint(NamedTuple):
    """A taint that keeps pods away."""

    key: str
    value: str
    effect: str


class Toleration(Protocol):
    """What pods tolerate."""

    def tolerates(self, key: str, value: str, effect: str) -> bool:
        """Say whether such a taint doesn't keep the pods away."""


@dataclass(frozen=True)
class Node:
    """A node. ``devices`` are the extended resources it offers, by name, without those of count zero."""

    name: str
    labels: FrozenDict[str, str]
    devices: FrozenDict[str, int]
    ready: bool
    schedulable: bool
    tolerated: bool
    """Whether pods that tolerate no more than the devices they ask for may run on it."""
    taints: frozenset[Taint] = frozenset()
    """The taints that keep pods away, but for those that are named after its devices."""
    image_volumes: bool = True
    """Whether its kubelet and its container runtime mount images as volumes, as far as their versions tell."""
    resources: frozenset[str] = frozenset()
    """The extended resources that it has at all: in use, broken or free. That changes more slowly than what it offers."""
    uid: str = ""
    system_uuid: str = ""
    """The system UUID that its kubelet reports, in lower case; empty where it reports none."""
    cpu: int | None = None
    """The CPU that pods can have in all, in thousandths of a core; None where its kubelet doesn't report it."""
    memory: int | None = None
    """The memory that pods can have in all, in bytes; None where its kubelet doesn't report it."""
    undecided: bool = False
    """Whether it carries the taint that keeps new pods away until its eligibility is decided."""

    @property
    def takes_pods(self) -> bool:
        """Whether the scheduler would place an ordinary pod here, room permitting."""
        return self.ready and self.schedulable and self.tolerated and not self.undecided

    def obstacles(self, tolerated: bool | None = None) -> Iterator[str]:
        """Return what keeps new pods away; nothing where `takes_pods`. Say otherwise whether the pods tolerate its taints."""
        if not self.ready:
            yield "isn't ready"
        if not self.schedulable:
            yield "is cordoned"
        if not (self.tolerated if tolerated is None else tolerated):
            keys = sorted({taint.key for taint in self.taints})
            yield f"has the taint{'s' if len(keys) > 1 else ''} {', '.join(keys)}"
        if self.undecided:
            yield "waits until its eligibility is decided"

    def as_tolerated(self, tolerations: Sequence[Toleration]) -> Node:
        """Return the node as it is for pods that tolerate this beside the devices that they ask for."""
        left = frozenset(t for t in self.taints if not any(x.tolerates(*t) for x in tolerations))
        return self if left == self.taints else replace(self, taints=left, tolerated=not left)


def parse_node(raw: Mapping[str, Any]) -> Node | Unknown:
    """Read a Node. A device count that isn't a whole number makes the node Unknown."""
    meta, spec, status = raw.get("metadata") or {}, raw.get("spec") or {}, raw.get("status") or {}
    info = status.get("nodeInfo") or {}
    devices: dict[str, int] = {}
    allocatable = status.get("allocatable") or {}
    for name, quantity in allocatable.items():
        if not is_extended(name):
            continue
        count = whole(quantity)
        if count is None:
            return Unknown(f"status.allocatable[{name}] is {quantity!r}, not a whole number")
        if count:
            devices[name] = count
    resources = shared_names(devices.keys() | _capacity(status))
    conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
    # A taint that is named after a device keeps away pods that don't ask for it; those of models do, and tolerate it.
    taints = [
        Taint(str(t.get("key") or ""), str(t.get("value") or ""), str(t["effect"]))
        for t in spec.get("taints") or ()
        if t.get("effect") in ("NoSchedule", "NoExecute") and t.get("key") not in {*resources, UNDECIDED_TAINT}
    ]
    undecided = any(t.get("key") == UNDECIDED_TAINT for t in spec.get("taints") or ())
    return Node(
        name=str(meta.get("name", "")),
        labels=shared_texts(meta.get("labels") or {}),
        devices=shared_mapping(devices),
        ready=conditions.get("Ready") == "True",
        schedulable=not spec.get("unschedulable", False),
        tolerated=not taints,
        taints=frozenset(taints),
        resources=resources,
        uid=str(meta.get("uid") or ""),
        undecided=undecided,
        image_volumes=_mounts_images(info),
        cpu=rounded_up(allocatable.get("cpu"), -3),
        memory=rounded_up(allocatable.get("memory")),
        system_uuid=str(info.get("systemUUID") or "").lower(),
    )


def _capacity(status: Mapping[str, Any]) -> set[str]:
    return {n for n, quantity in (status.get("capacity") or {}).items() if is_extended(n) and whole(quantity)}


def _mounts_images(info: Mapping[str, Any]) -> bool:
    """Read a kubelet's version, and a runtime such as containerd://2.1.4. What isn't known is taken to be newer than what is."""
    try:
        if IMAGE_VOLUME.at(Minor.of(str(info.get("kubeletVersion") or ""))) != "yes":
            return False
    except CapabilityError:
        pass
    found = re.match(r"^([a-z-]+)://v?([0-9]+)\.([0-9]+)", str(info.get("containerRuntimeVersion") or ""))
    if found is None:
        return True
    least = IMAGE_VOLUMES.get(found[1])
    return least is None or (int(found[2]), int(found[3])) >= least


def is_extended(resource: str) -> bool:
    """Say whether the resource is an extended one: qualified, and not of Kubernetes itself."""
    prefix, slash, _ = resource.partition("/")
    return bool(slash) and not (prefix == "kubernetes.io" or prefix.endswith(".kubernetes.io"))
