"""Changes that make policies narrower: a zone, a country or an accelerator that they accept no more.

What a policy accepts comes from its own fields, from its preset and from selectors, so a narrower policy names what is left.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daulat.api.kinds import Manifest
from daulat.catalog.presets import merged
from daulat.facts.snapshot import Policy, Snapshot
from daulat.placement.approval import approval
from daulat.placement.zoning import verdicts

from .change import ChangeError, Put
from .world import Cluster, World

MOST = 64
"""Names that such a field of a policy can have."""
_READ = frozenset({"SovereigntyPolicy", "SovereignZone", "AcceleratorProfile"})


@dataclass(frozen=True)
class Edit:
    """A field of a policy's spec that is set."""

    policy: str
    field: tuple[str, ...]
    """The path of the field within the spec."""
    after: tuple[str, ...]
    """What is left of what the policy accepts."""
    removed: tuple[str, ...]

    def change(self, manifest: Manifest) -> Put:
        """Return the change that sets the field in the policy's manifest."""
        value: Any = list(self.after)
        for key in reversed(self.field):
            value = {key: value}
        return Put("SovereigntyPolicy", {**manifest, "spec": merged(manifest["spec"], value)})


def snapshot_of(cluster: Cluster) -> Snapshot:
    """Return the facts of a cluster that narrower policies follow from."""
    kept = tuple(each for each in cluster.objects if each.get("kind") in _READ)
    return World.of(Cluster(kept, cluster.now, cluster.capabilities, cluster.unserved)).snapshot


def changes(edits: Iterable[Edit], cluster: Cluster) -> list[Put]:
    """Return the changes of a cluster that edits stand for."""
    policies = {each["metadata"]["name"]: each for each in cluster.objects if each.get("kind") == "SovereigntyPolicy"}
    return [edit.change(policies[edit.policy]) for edit in edits]


def accepted_zones(policy: Policy, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the zones that a policy accepts, by name."""
    return tuple(sorted(name for name, why in verdicts(policy, snapshot).items() if why is None))


def approved_profiles(policy: Policy, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the accelerator profiles that a policy approves, with those that it names and that can't be read."""
    names = policy.spec.accelerators.profiles
    found = approval(policy, snapshot)
    return tuple(names) if names is not None else tuple(sorted({*found.profiles, *found.unreadable}))


def vendors(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """Return the profiles of each vendor, by the vendor's name."""
    found: dict[str, list[str]] = {}
    for name, profile in sorted(snapshot.known_profiles.items()):
        found.setdefault(profile.vendor.name, []).append(name)
    return {vendor: tuple(names) for vendor, names in sorted(found.items())}


def without_profiles(banned: Container[str], snapshot: Snapshot, only: str = "") -> list[Edit]:
    """Return what bans accelerators in every policy that approves any of them, or in one.

    Raises ChangeError where no policy approves them, or a policy would have to name more profiles than it can.
    """
    edits = []
    for name, policy in sorted(snapshot.known_policies.items()):
        before = approved_profiles(policy, snapshot)
        removed = tuple(each for each in before if each in banned)
        if not removed or only not in ("", name):
            continue
        after = _few(tuple(each for each in before if each not in banned), f"policy {name}", "profiles")
        edits.append(Edit(name, ("accelerators", "profiles"), after, removed))
    if not edits:
        raise ChangeError(f"policy {only} doesn't approve it" if only else "no policy approves it")
    return edits


def without_zone(policy: str, zone: str, snapshot: Snapshot) -> Edit:
    """Return what makes a policy refuse a zone. Raises ChangeError where it doesn't accept it, or accepts no other."""
    before = accepted_zones(_policy(policy, snapshot), snapshot)
    after = _few(_left(before, zone, f"policy {policy}", "zone"), f"policy {policy}", "zones")
    return Edit(policy, ("zones", "names"), after, (zone,))


def without_country(policy: str, country: str, snapshot: Snapshot) -> Edit:
    """Return what makes a policy refuse a country. Raises ChangeError where it doesn't name it, or names no other."""
    before = _policy(policy, snapshot).spec.zones.countries or ()
    return Edit(policy, ("zones", "countries"), _left(before, country, f"policy {policy}", "country"), (country,))


def _policy(name: str, snapshot: Snapshot) -> Policy:
    found = snapshot.known_policies.get(name)
    if found is None:
        raise ChangeError(f"policy {name} isn't there, or can't be read")
    return found


def _left(before: tuple[str, ...], removed: str, policy: str, what: str) -> tuple[str, ...]:
    if removed not in before:
        raise ChangeError(f"{policy} doesn't accept {what} {removed}")
    after = tuple(each for each in before if each != removed)
    if not after:
        raise ChangeError(f"{policy} accepts no {what} but {removed}, and a policy can't accept none")
    return after


def _few(names: tuple[str, ...], policy: str, what: str) -> tuple[str, ...]:
    if len(names) > MOST:
        raise ChangeError(f"{policy} accepts more than {MOST} other {what}, and can't name more")
    return names
