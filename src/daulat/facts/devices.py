"""Devices of dynamic resource allocation: what ResourceSlices offer, and what ResourceClaims hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from daulat.admission.claims import qualified
from daulat.api.frozen import FrozenDict
from daulat.api.names import MODEL_LABEL

from .chips import device_ids
from .reach import Reach, parse_reach
from .shared import shared_mapping

_SINGLE = frozenset({"uuid", "parentUUID", "serial", "uniqueID", "sid", "pciBusID", "pciAddress", "pciAddr", "index"})
"""Attributes that tell a device from the next one of the same kind: they tell no product, and would be most of what is kept."""
_TOPOLOGY = "resource.kubernetes.io"
"""The domain of Kubernetes' own attributes: where in a machine a device sits."""


class DeviceId(NamedTuple):
    """What names a device in the cluster."""

    driver: str
    pool: str
    name: str


@dataclass(frozen=True)
class Device:
    """A device that a driver offers."""

    id: DeviceId
    attributes: FrozenDict[str, str]
    """Those that are text, by qualified name."""
    reach: Reach
    counters: frozenset[str] = frozenset()
    """The counter sets of its pool that it draws on: devices that share one may exclude each other."""
    tainted: bool = False
    """Whether a claim without tolerations gets it."""
    chip: str = ""
    """The ids of the chip that it is or is a part of, with commas between; empty where its driver publishes none."""

    @property
    def chip_ids(self) -> tuple[str, ...]:
        """The ids of the chip, one by one."""
        return tuple(self.chip.split(",")) if self.chip else ()


@dataclass(frozen=True)
class Slice:
    """A ResourceSlice: some of the devices of a pool, at a generation of it."""

    driver: str
    pool: str
    generation: int
    of: int
    """How many slices the pool has at this generation."""
    reach: Reach | None
    """Where its devices are; None where each device says so itself."""
    devices: tuple[Device, ...]
    chips: str = ""
    """The ids of the chips that these devices are, one line a device in the same order; empty where none has any. One text, since a
    tuple for each device would be most of what is kept of a slice."""

    def sightings(self) -> Iterator[tuple[str, str]]:
        """Yield the ids of each chip, with commas between, and its node; without one where it may be on several."""
        for device, ids in zip(self.devices, self.chips.split("\n"), strict=False):
            if ids:
                yield ids, device.reach.node


@dataclass(frozen=True)
class Allocation:
    """The devices that a ResourceClaim holds."""

    namespace: str
    name: str
    model: str
    """The model that the claim was made for; anybody can write that, so it frees nothing for others."""
    pods: tuple[str, ...]
    devices: frozenset[DeviceId]

    @property
    def holder(self) -> tuple[str, str, str]:
        """Who holds them, as people know it: a model, a pod, or a claim that nobody uses; with namespace and name."""
        if self.model:
            return ("model", self.namespace, self.model)
        return ("pod", self.namespace, self.pods[0]) if self.pods else ("claim", self.namespace, self.name)


def parse_slice(raw: Mapping[str, Any]) -> Slice:
    """Read a ResourceSlice."""
    spec = raw.get("spec") or {}
    driver, pool = str(spec.get("driver") or ""), spec.get("pool") or {}
    name = str(pool.get("name") or "")
    each = bool(spec.get("perDeviceNodeSelection"))
    reach = None if each else parse_reach(spec)
    described = [_described(device) for device in spec.get("devices") or ()]
    chips = [device_ids(driver, device.get("attributes") or {}) for device in described]
    return Slice(
        driver=driver,
        pool=name,
        generation=int(pool.get("generation") or 0),
        of=int(pool.get("resourceSliceCount") or 0),
        reach=reach,
        devices=tuple(
            Device(
                id=DeviceId(driver, name, str(device.get("name") or "")),
                attributes=_attributes(driver, device.get("attributes") or {}),
                reach=parse_reach(device) if reach is None else reach,
                counters=frozenset(str(c.get("counterSet")) for c in device.get("consumesCounters") or ()),
                tainted=any(t.get("effect") != "None" for t in device.get("taints") or ()),
                chip=chip,
            )
            for device, chip in zip(described, chips, strict=True)
        ),
        chips="\n".join(chips) if any(chips) else "",
    )


def _described(device: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a device as later versions of the API than v1beta1 have it, where what describes it stands in ``basic``."""
    return {**device, **device["basic"]} if isinstance(device.get("basic"), dict) else device


def parse_claim(raw: Mapping[str, Any]) -> Allocation | None:
    """Read what a ResourceClaim holds; None where it holds nothing."""
    meta, status = raw.get("metadata") or {}, raw.get("status") or {}
    results = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
    # Admin access is access to devices that others hold: it takes none away.
    held = frozenset(
        DeviceId(str(r.get("driver")), str(r.get("pool")), str(r.get("device")))
        for r in results
        if not r.get("adminAccess")
    )
    if not held:
        return None
    users = status.get("reservedFor") or ()
    return Allocation(
        namespace=str(meta.get("namespace") or ""),
        name=str(meta.get("name") or ""),
        model=str((meta.get("labels") or {}).get(MODEL_LABEL) or ""),
        pods=tuple(sorted(str(u.get("name")) for u in users if u.get("resource") == "pods")),
        devices=held,
    )


def _attributes(driver: str, raw: Mapping[str, Any]) -> FrozenDict[str, str]:
    found: dict[str, str] = {}
    # A driver may write an attribute of its own domain with and without that.
    for key, value in sorted(raw.items()):
        domain, name = qualified(driver, key)
        if "string" in value and domain != _TOPOLOGY and name not in _SINGLE:
            found[f"{domain}/{name}"] = str(value["string"])
    return shared_mapping(found)
