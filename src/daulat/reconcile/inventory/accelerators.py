"""Counts what nodes have: accelerators by zone and by profile, and the nodes that a zone selects without being theirs alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.facts.change import Change
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.derived import DerivedFact
from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
from daulat.placement.dra import offered
from daulat.placement.eligibility import profile_of
from daulat.placement.zoning import touched, zone_of_record


@dataclass(frozen=True)
class Holding:
    """What one node adds to the counts."""

    zone: str = ""
    """Its zone of record; empty where there is none."""
    conflict: str = ""
    """Why there is none, where zones select it all the same."""
    claimed_by: tuple[str, ...] = ()
    """These zones."""
    devices: tuple[tuple[str, str, int], ...] = ()
    """Profile (empty where none describes it), resource or DeviceClass, and count."""

    @property
    def zones(self) -> tuple[str, ...]:
        """Every zone whose status tells of the node."""
        return (self.zone,) if self.zone else self.claimed_by

    @property
    def profiles(self) -> frozenset[str]:
        """Every profile whose status counts the node."""
        return frozenset(profile for profile, _, _ in self.devices if profile)


@dataclass
class _Count:
    nodes: int = 0
    devices: Counter[tuple[str, str]] = field(default_factory=Counter)
    holders: Counter[tuple[str, str]] = field(default_factory=Counter)
    conflicts: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether no node is counted."""
        return not self.nodes and not self.conflicts


class _Naming:
    """The profiles that name one resource. Nodes are many, and few of their labels tell one product from another."""

    def __init__(self, resource: str, profiles: Mapping[str, AcceleratorProfileSpec]) -> None:
        self._resource = resource
        self.profiles = {name: p for name, p in profiles.items() if p.resource(resource) is not None}
        selectors = (p.node_selector for p in self.profiles.values() if p.node_selector is not None)
        self._keys = sorted({key for selector in selectors for key in selector.label_keys()})
        self._known: dict[tuple[str | None, ...], str] = {}

    def profile_of(self, node: Node) -> str:
        """Return the profile of the node's devices; empty where there is none."""
        told = tuple(node.labels.get(key) for key in self._keys)
        if told not in self._known:
            self._known[told] = profile_of(node, self._resource, self.profiles) or ""
        return self._known[told]


class Accelerators(DerivedFact):
    """The counts, changed node by node."""

    depends_on = frozenset({"Node", "SovereignZone", "AcceleratorProfile", "ResourceSlice"})

    def __init__(self) -> None:
        self._holdings: dict[str, Holding] | None = None
        self._zones: dict[str, _Count] = {}
        self._profiles: dict[str, _Count] = {}
        self._naming: dict[str, _Naming] = {}

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Count the nodes anew that the change concerns; all of them after a change of a profile or a ResourceSlice."""
        if change.ref.kind == "Node":
            names = [change.ref.name]
        elif change.ref.kind == "SovereignZone" and not any(isinstance(side, Unparsable) for side in change.sides):
            names = touched(change, {name: node for name, node in snapshot.nodes.items() if isinstance(node, Node)})
        else:
            return False
        if self._holdings is not None:
            for name in names:
                self._count(self._holdings.pop(name, Holding()), name, -1)
                self._add(name, snapshot)
        if change.ref.kind == "SovereignZone" and change.after is None:
            gone = [name for name, zone in self._zones.items() if name not in snapshot.zones and zone.is_empty]
            for name in gone:
                del self._zones[name]
        return True

    def in_zone(self, name: str, snapshot: Snapshot) -> _Count:
        """Return the counts of a zone."""
        self._fill(snapshot)
        return self._zones.get(name, _Count())

    def of_profile(self, name: str, snapshot: Snapshot) -> tuple[int, int]:
        """Return on how many nodes an accelerator is, and how many devices there are."""
        self._fill(snapshot)
        found = self._profiles.get(name, _Count())
        return found.nodes, found.devices.total()

    def holding(self, node: Node, snapshot: Snapshot) -> Holding:
        """Return what a node adds to the counts, or would add."""
        zone = zone_of_record(node, snapshot)
        devices = tuple(self._devices(node, snapshot))
        if isinstance(zone, Declared):
            return Holding(zone.name, devices=devices)
        zones = snapshot.known_zones.values()
        claimed_by = tuple(z.name for z in zones if z.spec.node_selector.matches(node.labels))
        return Holding("", zone.reason, claimed_by, devices)

    def _fill(self, snapshot: Snapshot) -> None:
        if self._holdings is None:
            self._holdings = {}
            for name in snapshot.nodes:
                self._add(name, snapshot)

    def _add(self, name: str, snapshot: Snapshot) -> None:
        node = snapshot.nodes.get(name)
        if isinstance(node, Node) and self._holdings is not None:
            self._holdings[name] = holding = self.holding(node, snapshot)
            self._count(holding, name, 1)

    def _count(self, holding: Holding, name: str, sign: int) -> None:
        for zone in holding.claimed_by:
            conflicts = self._zones.setdefault(zone, _Count()).conflicts
            if sign > 0:
                conflicts[name] = holding.conflict
            else:
                conflicts.pop(name, None)
        if holding.zone:
            of_zone = self._zones.setdefault(holding.zone, _Count())
            of_zone.nodes += sign
            for profile, resource, count in holding.devices:
                of_zone.devices[profile, resource] += sign * count
                of_zone.holders[profile, resource] += sign
        for profile in holding.profiles:
            own = self._profiles.setdefault(profile, _Count())
            own.nodes += sign
            for of, resource, count in holding.devices:
                if of == profile:
                    own.devices[of, resource] += sign * count

    def _devices(self, node: Node, snapshot: Snapshot) -> list[tuple[str, str, int]]:
        found = []
        for resource, count in node.devices.items():
            naming = self._naming.get(resource)
            if naming is None:
                naming = self._naming[resource] = _Naming(resource, snapshot.known_profiles)
            profile = naming.profile_of(node)
            own = naming.profiles[profile].resource(resource) if profile else None
            if own is None or own.unit != "Companion":  # A quantity beside a device, such as its memory, is no device.
                found.append((profile, resource, count))
        if snapshot.slices:
            for name, spec in snapshot.known_profiles.items():
                found += [(name, device_class, count) for device_class, count in offered(node, spec, snapshot).items()]
        return found
