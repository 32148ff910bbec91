"""Devices of dynamic resource allocation on a node: whether all of them are approved, and how many are free for a model.

Counted with care, so that a model is never placed where the scheduler finds nothing: only devices of one node, of the newest
generation of a complete pool, without taints; of devices that exclude each other, one; of devices that can be shared, those that
nobody holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from daulat.admission.claims import request, selector
from daulat.api.accelerator import AcceleratorProfileSpec, DynamicResource
from daulat.facts.change import Change
from daulat.facts.derived import DerivedFact
from daulat.facts.devices import Allocation, Device, DeviceId, Slice
from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref

from .labels import carries_labels


@dataclass(frozen=True, eq=False)
class Claimed:
    """What a model asks for by claims: a profile's first resource. What selects the same devices is the same."""

    profile: AcceleratorProfileSpec
    resource: DynamicResource

    def __str__(self) -> str:
        return f"devices of {self.name}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Claimed) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @cached_property
    def _key(self) -> str:
        return request(self.name, selector(self.resource))

    @property
    def name(self) -> str:
        """The DeviceClass."""
        return self.resource.device_class_name

    def describes(self, device: Device, node: Node) -> bool:
        """Say whether the device on the node is one of these."""
        return describes(self.resource, device) and (
            not self.resource.by_node_labels or carries_labels(node, self.profile)
        )


def claimed(profile: AcceleratorProfileSpec) -> Claimed | None:
    """Return what claims of the profile ask for, or None where it can't be claimed."""
    return Claimed(profile, profile.dynamic_resources[0]) if profile.dynamic_resources else None


def describes(resource: DynamicResource, device: Device) -> bool:
    """Say whether the resource's driver and attributes are the device's."""
    if device.id.driver != resource.driver:
        return False
    return all(
        device.attributes.get(key if "/" in key else f"{resource.driver}/{key}") in values
        for key, values in resource.attributes.items()
    )


@dataclass
class _Offers:
    """The newest devices, by the one node where they are, and those of several nodes; and slices that wait for others."""

    by_node: dict[str, list[Device]] = field(default_factory=dict)
    wide: list[Device] = field(default_factory=list)
    usable: set[tuple[str, str]] = field(default_factory=set)
    """Drivers and pools that are complete."""
    waiting: list[tuple[Slice, str]] = field(default_factory=list)
    """Slices of incomplete pools, and what to say of them."""


def offered(node: Node, profile: AcceleratorProfileSpec, snapshot: Snapshot) -> Counter[str]:
    """Return how many devices of the profile the node's drivers offer, by DeviceClass."""
    mine = [Claimed(profile, resource) for resource in profile.dynamic_resources]
    found: Counter[str] = Counter()
    for device in _offers(snapshot).by_node.get(node.name, ()) if mine else ():
        asked = next((c for c in mine if c.describes(device, node)), None)
        if asked is not None:
            found[asked.resource.device_class_name] += 1
    return found


def on_node(node: Node, snapshot: Snapshot) -> Iterator[Device]:
    """Yield every device that pods on the node may be given."""
    offers = _offers(snapshot)
    yield from offers.by_node.get(node.name, ())
    yield from (d for d in offers.wide if d.reach.includes(node.name, node.labels))


def unsettled(node: Node, snapshot: Snapshot) -> str | None:
    """Return why it can't be told which devices the node has: a driver is about to tell, or has stopped halfway."""
    for part, why in _offers(snapshot).waiting:
        reaches = [part.reach] if part.reach is not None else [d.reach for d in part.devices]
        if any(reach.includes(node.name, node.labels) for reach in reaches):
            return why
    return None


Asked = str | Claimed
"""What a replica asks for: an extended resource, or devices by a claim."""


def open_to(node: Node, asked: Asked) -> bool:
    """Say whether the scheduler would place pods on the node that ask for this, room permitting."""
    if isinstance(asked, str):
        return node.takes_pods
    return node.ready and node.schedulable and tolerated(node, asked) and not node.undecided


def tolerated(node: Node, asked: Asked) -> bool:
    """Say whether pods that ask for this tolerate the node's taints: those that are named after the accelerator's resource."""
    # Only of extended resources does a node itself tell that a taint is named after them.
    return (
        node.tolerated if isinstance(asked, str) else {t.key for t in node.taints} <= {asked.profile.resources[0].name}
    )


class DeviceClaims:
    """Devices that are free for one model: its own claims don't stand in its way."""

    def __init__(self, snapshot: Snapshot, model: Ref) -> None:
        self._snapshot, self._model = snapshot, model

    def free(self, node: Node, asked: Claimed) -> int:
        """Return how many devices the node has for the model at least."""
        return len(self._pick(node, asked))

    def total(self, node: Node, asked: Claimed) -> int:
        """Return how many devices the node would have if nobody held any."""
        return len(self._pick(node, asked, in_use=False))

    def own(self, node: Node, asked: Claimed) -> int:
        """Return how many of the node's devices the model's own claims hold."""
        local = _offers(self._snapshot).by_node.get(node.name, ())
        return sum(any(map(self._is_own, self._holding(d.id))) for d in local if asked.describes(d, node))

    def held_by_others(self, node: Node, asked: Claimed) -> Iterator[Allocation]:
        """Yield who holds the node's devices, once for each."""
        for device in _offers(self._snapshot).by_node.get(node.name, ()):
            if asked.describes(device, node):
                yield from self._others(device.id)[:1]

    def _others(self, device: DeviceId) -> list[Allocation]:
        return [a for a in self._holding(device) if not self._is_own(a)]

    def _holding(self, device: DeviceId) -> Sequence[Allocation]:
        return self._snapshot.held_devices.get(device, ())

    def _is_own(self, allocation: Allocation) -> bool:
        return (allocation.namespace, allocation.model) == (self._model.namespace, self._model.name)

    def _pick(self, node: Node, asked: Claimed, *, in_use: bool = True) -> list[DeviceId]:
        offers = _offers(self._snapshot)
        local = [d for d in offers.by_node.get(node.name, ()) if d.id[:2] in offers.usable]
        taken = [d for d in local if in_use and self._others(d.id)]
        ids = {d.id for d in taken}
        drawn = {(*d.id[:2], counter) for d in taken for counter in d.counters}
        found: list[DeviceId] = []
        for device in local:
            own = {(*device.id[:2], counter) for counter in device.counters}
            if device.id in ids or device.tainted or own & drawn or not asked.describes(device, node):
                continue
            drawn |= own
            found.append(device.id)
        return found


class Offers(DerivedFact):
    """What all ResourceSlices together offer."""

    depends_on = frozenset({"ResourceSlice"})

    def __init__(self) -> None:
        self.found: _Offers | None = None

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Drop everything: the slices of a pool count only together."""
        return False


def _offers(snapshot: Snapshot) -> _Offers:
    offers = Offers.of(snapshot)
    if offers.found is None:
        offers.found = _sorted(snapshot.slices.values())
    return offers.found


def _sorted(slices: Iterable[Slice]) -> _Offers:
    pools: dict[tuple[str, str], list[Slice]] = {}
    for part in slices:
        known = pools.setdefault((part.driver, part.pool), [])
        if known and part.generation < known[0].generation:
            continue
        if known and part.generation > known[0].generation:
            known.clear()
        known.append(part)
    offers = _Offers()
    for (driver, pool), parts in sorted(pools.items()):
        devices = sorted((d for part in parts for d in part.devices), key=lambda d: d.id)
        twice = len({d.id for d in devices}) < len(devices)
        if len(parts) == parts[0].of and not twice:
            offers.usable.add((driver, pool))
        else:
            told = "names a device twice" if twice else f"is incomplete, {len(parts)} of {parts[0].of} ResourceSlices"
            offers.waiting += [(part, f"has the pool {pool} of {driver}, which {told}") for part in parts]
        for device in devices:
            if device.reach.node:
                offers.by_node.setdefault(device.reach.node, []).append(device)
            else:
                offers.wide.append(device)
    return offers
