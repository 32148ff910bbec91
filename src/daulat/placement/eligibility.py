"""Decides whether a node satisfies a policy: its zone, and every accelerator on it. Says why where it doesn't."""

from __future__ import annotations

from collections.abc import Mapping

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.policy import SovereigntyPolicySpec, ZoneRequirements
from daulat.facts.node import Node
from daulat.facts.ref import Unknown
from daulat.facts.snapshot import Policy, Snapshot, Zone

from .zoning import zone_of_record


def ineligible(node: Node | Unknown, policy: Policy, snapshot: Snapshot) -> str | None:
    """Return why the node isn't eligible under the policy, or None where it is. Unknown is never eligible."""
    memo: dict[Node | Unknown, str | None] = snapshot.memo.setdefault(("ineligible", policy.name, policy.spec), {})
    if node not in memo:
        memo[node] = _ineligible(node, policy, snapshot)
    return memo[node]


def _ineligible(node: Node | Unknown, policy: Policy, snapshot: Snapshot) -> str | None:
    zone = zone_of_record(node, snapshot)
    if isinstance(zone, Unknown):
        return zone.reason
    if isinstance(node, Unknown):
        return node.reason
    return _zone_fails(zone, policy.spec.zones) or _device_fails(node, policy.spec, snapshot.known_profiles)


def profile_of(node: Node, resource: str, profiles: Mapping[str, AcceleratorProfileSpec]) -> str | None:
    """Return the profile that the resource on this node belongs to, the more specific one first."""
    found = [
        (profile.node_selector is None, name)
        for name, profile in profiles.items()
        if any(r.name == resource for r in profile.resources) and carries_labels(node, profile)
    ]
    return min(found)[1] if found else None


def carries_labels(node: Node, profile: AcceleratorProfileSpec) -> bool:
    """Say whether the node has the labels that the vendor's components put on nodes with this accelerator."""
    return profile.node_selector is None or profile.node_selector.matches(node.labels)


def _zone_fails(zone: Zone, asked: ZoneRequirements) -> str | None:
    spec = zone.spec
    if asked.names and zone.name not in asked.names:
        return f"zone {zone.name} is none of {', '.join(asked.names)}"
    if asked.countries and spec.country not in asked.countries:
        return f"zone {zone.name} is in {spec.country}, outside {', '.join(asked.countries)}"
    if asked.operator_countries and spec.operator.country not in asked.operator_countries:
        return (
            f"zone {zone.name} is operated from {spec.operator.country}, outside {', '.join(asked.operator_countries)}"
        )
    parent = spec.operator.ultimate_parent_country
    if asked.parent_countries and parent not in asked.parent_countries:
        return f"zone {zone.name} is operated by a company whose parent is in {parent}, outside {', '.join(asked.parent_countries)}"
    if asked.minimum_data_class and spec.maximum_data_class.rank < asked.minimum_data_class.rank:
        return f"zone {zone.name} may handle {spec.maximum_data_class} data at most, not {asked.minimum_data_class}"
    return None


def _device_fails(
    node: Node, spec: SovereigntyPolicySpec, profiles: Mapping[str, AcceleratorProfileSpec]
) -> str | None:
    # An image can carry a device variable that admission never sees: so no device that isn't approved may be on the node.
    for resource in sorted(node.devices):
        if resource in spec.accelerators.other_resources:
            continue
        approved = [profiles[p] for p in spec.accelerators.profiles if p in profiles]
        named = [p for p in approved if any(r.name == resource for r in p.resources)]
        if not named:
            return f"has the accelerator {resource}, which no approved profile names"
        if not any(carries_labels(node, p) for p in named):
            return f"has {resource} of another kind than the approved profiles describe"
    return None
