"""Decides whether a node satisfies a policy: its zone, and every accelerator on it. Says why where it doesn't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from daulat.admission.zones import rejects
from daulat.api.accelerator import AcceleratorProfileSpec, ResourceFamily
from daulat.api.policy import SovereigntyPolicySpec
from daulat.facts.node import Node
from daulat.facts.snapshot import Policy, Snapshot
from daulat.facts.unknown import Unknown

from .dra import Asked, Claimed, on_node, unsettled
from .labels import carries_labels
from .zoning import zone_of_record


def ineligible(node: Node | Unknown, policy: Policy, snapshot: Snapshot) -> str | None:
    """Return why the node isn't eligible under the policy, or None where it is. Unknown is never eligible."""
    memo: dict[Node | Unknown, str | None] = snapshot.memo.setdefault(("ineligible", policy.name, policy.spec), {})
    if node not in memo:
        memo[node] = _ineligible(node, policy, snapshot)
    return memo[node]


def eligible(policies: Sequence[Policy], snapshot: Snapshot) -> tuple[Mapping[str, Node], Mapping[str, str]]:
    """Return the nodes that are eligible under all the policies, by name, and why each other one isn't."""
    key = ("eligible", tuple((p.name, p.spec) for p in policies))
    if key not in snapshot.memo:
        found: dict[str, Node] = {}
        refused: dict[str, str] = {}
        for name, node in sorted(snapshot.nodes.items()):
            why = next((w for p in policies if (w := ineligible(node, p, snapshot))), None)
            if why is None and isinstance(node, Node):
                found[name] = node
            else:
                refused[name] = why or "can't be read"
        snapshot.memo[key] = MappingProxyType(found), MappingProxyType(refused)
    known: tuple[Mapping[str, Node], Mapping[str, str]] = snapshot.memo[key]
    return known


def nodes_with(
    profile: AcceleratorProfileSpec, resource: Asked, policies: Sequence[Policy], snapshot: Snapshot
) -> Mapping[str, tuple[Node, ...]]:
    """Return the nodes that are eligible under all the policies and have the resource of that accelerator, by zone."""
    key = ("nodes with", profile, resource, tuple((p.name, p.spec) for p in policies))
    if key not in snapshot.memo:
        by_zone: dict[str, list[Node]] = {}
        for node in eligible(policies, snapshot)[0].values():
            zone = zone_of_record(node, snapshot)
            if not isinstance(zone, Unknown) and _has(node, resource, profile, snapshot):
                by_zone.setdefault(zone.name, []).append(node)
        snapshot.memo[key] = MappingProxyType({zone: tuple(nodes) for zone, nodes in sorted(by_zone.items())})
    found: Mapping[str, tuple[Node, ...]] = snapshot.memo[key]
    return found


def _has(node: Node, resource: Asked, profile: AcceleratorProfileSpec, snapshot: Snapshot) -> bool:
    if isinstance(resource, Claimed):
        return any(device.reach.node and resource.describes(device, node) for device in on_node(node, snapshot))
    # Also where none of them works just now: what runs there needn't go, and what waits is told that there is no room.
    return resource in node.resources and carries_labels(node, profile)


def _ineligible(node: Node | Unknown, policy: Policy, snapshot: Snapshot) -> str | None:
    zone = zone_of_record(node, snapshot)
    if isinstance(zone, Unknown):
        return zone.reason
    if isinstance(node, Unknown):
        return node.reason
    rejected = rejects(policy.spec.zones, zone.name, zone.spec)
    return (
        rejected
        or _device_fails(node, policy.spec, snapshot.known_profiles)
        or _claimable_fails(node, policy.spec, snapshot)
        or unsettled(node, snapshot)
    )


def profile_of(node: Node, resource: str, profiles: Mapping[str, AcceleratorProfileSpec]) -> str | None:
    """Return the profile that the resource on this node belongs to: one that names it before a pattern, then the more specific."""
    found = [
        (isinstance(own, ResourceFamily), profile.node_selector is None, name)
        for name, profile in profiles.items()
        if (own := profile.resource(resource)) is not None and carries_labels(node, profile)
    ]
    return min(found)[2] if found else None


def _device_fails(
    node: Node, spec: SovereigntyPolicySpec, profiles: Mapping[str, AcceleratorProfileSpec]
) -> str | None:
    # An image can carry a device variable that admission never sees: so no device that isn't approved may be on the node, and
    # one that fails just now comes back.
    for resource in sorted(node.resources):
        if resource in spec.accelerators.other_resources:
            continue
        approved = [profiles[p] for p in spec.accelerators.profiles if p in profiles]
        named = [p for p in approved if p.resource(resource) is not None]
        if not named:
            return f"has the accelerator {resource}, which no approved profile names"
        if not any(carries_labels(node, p) for p in named):
            return f"has {resource} of another kind than the approved profiles describe"
    return None


def _claimable_fails(node: Node, spec: SovereigntyPolicySpec, snapshot: Snapshot) -> str | None:
    profiles = snapshot.known_profiles
    approved = [profiles[p] for p in spec.accelerators.profiles if p in profiles]
    claimable = [Claimed(profile, resource) for profile in approved for resource in profile.dynamic_resources]
    for device in on_node(node, snapshot):
        driver = device.id.driver
        if driver in spec.accelerators.other_drivers or any(c.describes(device, node) for c in claimable):
            continue
        if any(c.resource.driver == driver for c in claimable):
            return f"has devices of the driver {driver} of another kind than the approved profiles describe"
        return f"has devices of the driver {driver}, which no approved profile names"
    return None


def lacks_storage(node: Node, storage_class: str, snapshot: Snapshot) -> str | None:
    """Return why volumes of the class aren't known to lie where the node stands, or None where they are."""
    zone = zone_of_record(node, snapshot)
    if isinstance(zone, Unknown):
        return zone.reason
    if storage_class in zone.spec.storage_classes:
        return None
    return f"zone {zone.name} has no StorageClass {storage_class} on record, where the weights would be kept"
