"""The nodes that are eligible under all policies of a namespace, and those of them that have an accelerator, by zone.

Kept for each set of policies and each accelerator, and changed node by node: at 5,000 nodes to look at all of them costs more than
the whole rest of a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.facts.change import Change
from daulat.facts.declared import Declared
from daulat.facts.derived import DerivedFact
from daulat.facts.node import Node
from daulat.facts.snapshot import Policy, Snapshot

from .dra import Asked, Claimed, on_node
from .eligibility import EligibilityState, eligibility
from .labels import carries_labels
from .zoning import zone_of_record

PolicySet = tuple[str, ...]


@dataclass
class Candidates:
    """Every node, by the answer of a set of policies."""

    policies: tuple[Policy, ...]
    eligible: dict[str, Node] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Why each other node isn't eligible, decided or not."""
    undecided: dict[str, str] = field(default_factory=dict)
    """Those of the others of which it can't be decided."""

    def judge(self, name: str, snapshot: Snapshot) -> None:
        """Put a node where it belongs now."""
        for group in (self.eligible, self.refused, self.undecided):
            group.pop(name, None)
        node = snapshot.nodes.get(name)
        if node is None:
            return
        answers = [eligibility(node, policy, snapshot) for policy in self.policies]
        against = next((a for a in answers if a.verdict is EligibilityState.INELIGIBLE), None)
        against = against or next((a for a in answers if a.verdict is not EligibilityState.ELIGIBLE), None)
        if against is None and isinstance(node, Node):
            self.eligible[name] = node
            return
        self.refused[name] = against.reason if against is not None else "can't be read"
        if against is not None and against.verdict is EligibilityState.UNDECIDED:
            self.undecided[name] = against.reason


@dataclass
class _WithDevices:
    """The eligible nodes with one accelerator, by zone and name."""

    profile: AcceleratorProfileSpec
    resource: Asked
    by_zone: dict[str, dict[str, Node]] = field(default_factory=dict)
    zone_of: dict[str, str] = field(default_factory=dict)
    listed: dict[str, tuple[Node, ...]] = field(default_factory=dict)
    """By zone and in the order of names, as far as somebody has asked since they changed."""

    def judge(self, name: str, candidates: Candidates, snapshot: Snapshot) -> None:
        if (before := self.zone_of.pop(name, None)) is not None:
            del self.by_zone[before][name]
            self.listed.pop(before, None)
            if not self.by_zone[before]:
                del self.by_zone[before]
        node = candidates.eligible.get(name)
        if node is None or not _has(node, self.resource, self.profile, snapshot):
            return
        zone = zone_of_record(node, snapshot)
        if isinstance(zone, Declared):
            self.zone_of[name] = zone.name
            self.by_zone.setdefault(zone.name, {})[name] = node
            self.listed.pop(zone.name, None)

    def nodes(self, zone: str) -> tuple[Node, ...]:
        if zone not in self.listed:
            self.listed[zone] = tuple(node for _, node in sorted(self.by_zone.get(zone, {}).items()))
        return self.listed[zone]


class CandidateNodes(DerivedFact):
    """The candidates of every set of policies and every accelerator that was requested."""

    depends_on = frozenset({"Node", "SovereignZone", "AcceleratorProfile", "SovereigntyPolicy", "ResourceSlice"})

    def __init__(self) -> None:
        self._sets: dict[PolicySet, Candidates] = {}
        self._with: dict[tuple[PolicySet, int, str], _WithDevices] = {}
        self._stale: set[str] = set()

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Note a node to be judged anew. What concerns more than one node concerns all of them."""
        if change.ref.kind != "Node":
            return False
        self._stale.add(change.ref.name)
        return True

    def under(self, policies: Sequence[Policy], snapshot: Snapshot) -> Candidates:
        """Return every node by the answer of these policies."""
        self._freshen(snapshot)
        key = tuple(p.name for p in policies)
        found = self._sets.get(key)
        if found is None or any(a.spec is not b.spec for a, b in zip(found.policies, policies, strict=True)):
            found = self._sets[key] = Candidates(tuple(policies))
            for name in sorted(snapshot.nodes):
                found.judge(name, snapshot)
        return found

    def with_devices(
        self, profile: AcceleratorProfileSpec, resource: Asked, policies: Sequence[Policy], snapshot: Snapshot
    ) -> Mapping[str, tuple[Node, ...]]:
        """Return the nodes that are eligible under all the policies and have the resource of that accelerator, by zone."""
        found = self._of(profile, resource, policies, snapshot)
        return {zone: found.nodes(zone) for zone in sorted(found.by_zone)}

    def has_devices(
        self, profile: AcceleratorProfileSpec, resource: Asked, policies: Sequence[Policy], snapshot: Snapshot
    ) -> bool:
        """Say whether there is such a node."""
        return bool(self._of(profile, resource, policies, snapshot).zone_of)

    def in_zone(
        self,
        zone: str,
        profile: AcceleratorProfileSpec,
        resource: Asked,
        policies: Sequence[Policy],
        snapshot: Snapshot,
    ) -> tuple[Node, ...]:
        """Return those of one zone."""
        return self._of(profile, resource, policies, snapshot).nodes(zone)

    def _of(
        self, profile: AcceleratorProfileSpec, resource: Asked, policies: Sequence[Policy], snapshot: Snapshot
    ) -> _WithDevices:
        candidates = self.under(policies, snapshot)
        key = (tuple(p.name for p in policies), id(profile), str(resource))
        found = self._with.get(key)
        if found is None or found.resource != resource:
            found = self._with[key] = _WithDevices(profile, resource)
            for name in candidates.eligible:
                found.judge(name, candidates, snapshot)
        return found

    def _freshen(self, snapshot: Snapshot) -> None:
        if not self._stale:
            return
        stale, self._stale = sorted(self._stale), set()
        for candidates in self._sets.values():
            for name in stale:
                candidates.judge(name, snapshot)
        for (key, _, _), found in self._with.items():
            for name in stale:
                found.judge(name, self._sets[key], snapshot)


def candidates_under(policies: Sequence[Policy], snapshot: Snapshot) -> Candidates:
    """Return every node by the answer of these policies."""
    return CandidateNodes.of(snapshot).under(policies, snapshot)


def nodes_with(
    profile: AcceleratorProfileSpec, resource: Asked, policies: Sequence[Policy], snapshot: Snapshot
) -> Mapping[str, tuple[Node, ...]]:
    """Return the nodes that are eligible under all the policies and have the resource of that accelerator, by zone."""
    return CandidateNodes.of(snapshot).with_devices(profile, resource, policies, snapshot)


def some_node_with(
    profile: AcceleratorProfileSpec, resource: Asked, policies: Sequence[Policy], snapshot: Snapshot
) -> bool:
    """Say whether there is such a node."""
    return CandidateNodes.of(snapshot).has_devices(profile, resource, policies, snapshot)


def nodes_in_zone(
    zone: str, profile: AcceleratorProfileSpec, resource: Asked, policies: Sequence[Policy], snapshot: Snapshot
) -> tuple[Node, ...]:
    """Return those of one zone."""
    return CandidateNodes.of(snapshot).in_zone(zone, profile, resource, policies, snapshot)


def _has(node: Node, resource: Asked, profile: AcceleratorProfileSpec, snapshot: Snapshot) -> bool:
    if isinstance(resource, Claimed):
        return any(device.reach.node and resource.describes(device, node) for device in on_node(node, snapshot))
    # Also where none of them works just now: what runs there needn't go, and what waits is told that there is no room.
    return resource in node.resources and carries_labels(node, profile)
