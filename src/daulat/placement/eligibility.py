"""Decides whether a node satisfies a policy: by its zone, and by every accelerator on it.

There are three answers. ``ELIGIBLE`` and ``INELIGIBLE`` are decisions on facts that were read. ``UNDECIDED`` means that a fact
which is needed can't be read or isn't there any more: then nothing new is let onto the node, and nothing is taken from what runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from daulat.admission.zones import rejects
from daulat.api.accelerator import AcceleratorProfileSpec, ResourceFamily
from daulat.facts.change import Change
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.derived import DerivedFact
from daulat.facts.node import Node
from daulat.facts.snapshot import Policy, Snapshot, Zone
from daulat.facts.unknown import Unknown

from .approval import approval, concerned
from .dra import Claimed, on_node, unsettled
from .evidence import asks, lacking
from .evidence import concerned as concerned_by_evidence
from .labels import carries_labels
from .zoning import touched, zone_of_record


class EligibilityState(Enum):
    """The three answers."""

    ELIGIBLE = "eligible"
    INELIGIBLE = "ineligible"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Eligibility:
    """The answer for one node and one policy. ``reason`` is empty where the node is eligible."""

    verdict: EligibilityState
    reason: str = ""


ELIGIBLE = Eligibility(EligibilityState.ELIGIBLE)


@lru_cache(
    maxsize=4096
)  # Most nodes are outside most policies for one of a few reasons: at 5,000 nodes and ten policies 7 MiB.
def _ineligible(reason: str) -> Eligibility:
    return Eligibility(EligibilityState.INELIGIBLE, reason)


def _undecided(reason: str) -> Eligibility:
    return Eligibility(EligibilityState.UNDECIDED, reason)


class Eligibilities(DerivedFact):
    """The answer for every node and policy. A node's entry is kept with the fact that it is of, and dropped with the node."""

    depends_on = frozenset(
        {"SovereignZone", "AcceleratorProfile", "SovereigntyPolicy", "ResourceSlice", "Node", "NodeAttestation"}
    )

    def __init__(self) -> None:
        self._found: dict[str, dict[str, tuple[Node, Policy, Eligibility]]] = {}

    def of_node(self, node: Node, policy: Policy, snapshot: Snapshot) -> Eligibility:
        """Return the answer for a node under a policy."""
        own = self._found.setdefault(policy.name, {})
        known = own.get(node.name)
        if known is not None and known[0] is node and known[1].spec is policy.spec:
            return known[2]
        found = _eligibility(node, policy, snapshot)
        if snapshot.nodes.get(node.name) is node:
            own[node.name] = node, policy, found
        return found

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Drop what the change of a zone, profile, policy, ResourceSlice or NodeAttestation concerns, and nodes that are gone."""
        if change.ref.kind in ("Node", "NodeAttestation"):
            gone = {change.ref.name} if change.ref.kind == "Node" and change.after is None else set()
            asking = [name for name, policy in snapshot.known_policies.items() if asks(policy)]
            concerns = concerned_by_evidence(change, snapshot) if asking else set()
            for asked, own in self._found.items():
                for name in gone | concerns if asked in asking else gone:
                    own.pop(name, None)
            return True
        if change.ref.kind == "SovereigntyPolicy":
            self._found.pop(change.ref.name, None)
            return True
        if change.ref.kind == "SovereignZone":
            if any(isinstance(side, Unparsable) for side in change.sides):
                return False
            nodes = {name: node for name, node in snapshot.nodes.items() if isinstance(node, Node)}
            for name in touched(change, nodes):
                for own in self._found.values():
                    own.pop(name, None)
            return True
        if change.ref.kind == "AcceleratorProfile":
            # A policy reads the profiles that it approves, and no others.
            for name, policy in snapshot.policies.items():
                if not isinstance(policy, Declared) or concerned(policy, change):
                    self._found.pop(name, None)
            return True
        reaches = [part.reach for part in change.sides]
        if all(reach is not None and reach.node for reach in reaches):
            for own in self._found.values():
                for reach in reaches:
                    own.pop(reach.node, None)
            return True
        return False


def eligibility(node: Node | Unknown, policy: Policy, snapshot: Snapshot) -> Eligibility:
    """Return whether the node is eligible under the policy, or why it isn't, or why that can't be decided."""
    if isinstance(node, Unknown):
        return _undecided(node.reason)
    return Eligibilities.of(snapshot).of_node(node, policy, snapshot)


def ineligible(node: Node | Unknown, policy: Policy, snapshot: Snapshot) -> str | None:
    """Return why nothing new may come to the node under the policy, decided or not; None where it is eligible."""
    return eligibility(node, policy, snapshot).reason or None


def _eligibility(node: Node, policy: Policy, snapshot: Snapshot) -> Eligibility:
    zone = zone_of_record(node, snapshot)
    if isinstance(zone, Unknown):
        return _undecided(zone.reason)
    if not isinstance(zone, Declared):
        return _ineligible(zone.reason)
    if rejected := rejects(policy.spec.zones, zone.name, zone.spec):
        return _ineligible(rejected)
    found = [*_evidence(node, zone, policy, snapshot), *_devices(node, policy, snapshot)]
    found += _claimable(node, policy, snapshot)
    if (why := unsettled(node, snapshot)) is not None:
        found.append(_undecided(why))
    # What is decided against the node stays so, whatever the facts that are missing would say.
    decided = next((e for e in found if e.verdict is EligibilityState.INELIGIBLE), None)
    return decided or next(iter(found), ELIGIBLE)


def _evidence(node: Node, zone: Zone, policy: Policy, snapshot: Snapshot) -> Iterator[Eligibility]:
    if (lack := lacking(node, zone, policy, snapshot)) is not None:
        yield _ineligible(lack.reason) if lack.decided else _undecided(lack.reason)


def _devices(node: Node, policy: Policy, snapshot: Snapshot) -> Iterator[Eligibility]:
    # An image can carry a device variable that admission never sees: so no device that isn't approved may be on the node, and
    # one that fails just now comes back.
    spec, approved = policy.spec, approval(policy, snapshot)
    for resource in sorted(node.resources):
        if resource in spec.accelerators.other_resources:
            continue
        named = [p for p in approved.profiles.values() if p.resource(resource) is not None]
        if any(carries_labels(node, p) for p in named):
            continue
        if missing := approved.unreadable:
            yield _undecided(f"has the accelerator {resource}, and {_of_profiles(missing)}")
        elif named:
            yield _ineligible(f"has {resource} of another kind than the approved profiles describe")
        else:
            yield _ineligible(f"has the accelerator {resource}, which no approved profile names")


def _claimable(node: Node, policy: Policy, snapshot: Snapshot) -> Iterator[Eligibility]:
    if "ResourceSlice" in snapshot.unlisted:
        yield _undecided("may have devices of dynamic resource allocation, for ResourceSlices couldn't be listed yet")
    if not snapshot.slices:
        return
    spec, approved = policy.spec, approval(policy, snapshot)
    claimable = [Claimed(p, resource) for p in approved.profiles.values() for resource in p.dynamic_resources]
    for device in on_node(node, snapshot):
        driver = device.id.driver
        if driver in spec.accelerators.other_drivers or any(c.describes(device, node) for c in claimable):
            continue
        if missing := approved.unreadable:
            yield _undecided(f"has devices of the driver {driver}, and {_of_profiles(missing)}")
        elif any(c.resource.driver == driver for c in claimable):
            yield _ineligible(f"has devices of the driver {driver} of another kind than the approved profiles describe")
        else:
            yield _ineligible(f"has devices of the driver {driver}, which no approved profile names")


def _of_profiles(missing: Mapping[str, str]) -> str:
    name, why = next(iter(missing.items()))
    return f"AcceleratorProfile {name}, which may describe it, {why}"


def profile_of(node: Node, resource: str, profiles: Mapping[str, AcceleratorProfileSpec]) -> str | None:
    """Return the profile that the resource on this node belongs to: one that names it before a pattern, then the more specific."""
    found = [
        (isinstance(own, ResourceFamily), profile.node_selector is None, name)
        for name, profile in profiles.items()
        if (own := profile.resource(resource)) is not None and carries_labels(node, profile)
    ]
    return min(found)[2] if found else None


def lacks_storage(node: Node, storage_class: str, snapshot: Snapshot) -> str | None:
    """Return why volumes of the class aren't known to lie where the node stands, or None where they are."""
    zone = zone_of_record(node, snapshot)
    if not isinstance(zone, Declared):
        return zone.reason
    if storage_class in zone.spec.storage_classes:
        return None
    return f"zone {zone.name} has no StorageClass {storage_class} on record, where the weights would be kept"


def undecided(nodes: Sequence[Node | Unknown], policies: Sequence[Policy], snapshot: Snapshot) -> str | None:
    """Return why it can't be decided whether one of the nodes is eligible under the policies; None where all are decided."""
    for node in nodes:
        found = [eligibility(node, policy, snapshot) for policy in policies]
        if any(e.verdict is EligibilityState.INELIGIBLE for e in found):
            continue
        for policy, answer in zip(policies, found, strict=True):
            if answer.verdict is EligibilityState.UNDECIDED:
                name = f"node {node.name} " if isinstance(node, Node) else ""
                return f"{name}{answer.reason}, so policy {policy.name} can't be decided there"
    return None
