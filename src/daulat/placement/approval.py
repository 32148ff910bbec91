"""The accelerators that each policy approves of those in the cluster, and the profiles of which that can't be known.

A policy that lists a profile by name still names it when it is gone. One with other selectors doesn't, so its status remembers what
it approved: a profile that is deleted takes nothing away from what runs, whichever way the policy approved it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.approval import approved_profiles, may_approve, mismatch, missing_profiles
from daulat.api.digest import digest
from daulat.api.policy import ApprovedAccelerators
from daulat.facts.change import Change
from daulat.facts.declared import Unparsable
from daulat.facts.derived import DerivedFact
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref


@dataclass(frozen=True)
class Approval:
    """What one policy approves."""

    profiles: Mapping[str, AcceleratorProfileSpec]
    """The approved profiles by name."""
    unreadable: Mapping[str, str]
    """The profiles that are or may be approved and can't be read, and those that were and don't exist: by name, with the words for
    it."""


class Approvals(DerivedFact):
    """What every policy approves."""

    depends_on = frozenset({"AcceleratorProfile", "SovereigntyPolicy"})

    def __init__(self) -> None:
        self._found: dict[str, tuple[Policy, ApprovedAccelerators | None, Approval]] = {}

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Drop a changed policy. A changed profile may concern any of them."""
        if change.ref.kind != "SovereigntyPolicy":
            return False
        self._found.pop(change.ref.name, None)
        return True

    def of_policy(self, policy: Policy, snapshot: Snapshot) -> Approval:
        """Return what a policy approves."""
        before = snapshot.latest_status(Ref("SovereigntyPolicy", "", policy.name), policy).accelerators
        known = self._found.get(policy.name)
        if known is not None and known[0].spec is policy.spec and known[1] is before:
            return known[2]
        found = _approval(policy, before, snapshot)
        self._found[policy.name] = policy, before, found
        return found


def approval(policy: Policy, snapshot: Snapshot) -> Approval:
    """Return what a policy approves."""
    return Approvals.of(snapshot).of_policy(policy, snapshot)


def approves(policy: Policy, profile: str, snapshot: Snapshot) -> bool:
    """Say whether a policy approves a profile. By name alone it does so whether or not the profile can be read."""
    asked = policy.spec.accelerators
    if asked.by_name_alone:
        return profile in (asked.profiles or ())
    return profile in approval(policy, snapshot).profiles


def concerned(policy: Policy, change: Change) -> bool:
    """Say whether a changed profile is, was or may be one that the policy approves, or is named by it."""
    asked, name = policy.spec.accelerators, change.ref.name
    if asked.profiles is not None:
        return name in asked.profiles
    return any(isinstance(side, Unparsable) or mismatch(asked, name, side.spec) is None for side in change.sides)


def selectors(policy: Policy) -> str:
    """Return a digest of what the policy says about accelerators, by which its status tells what it was decided on."""
    return digest(policy.spec.accelerators.model_dump(by_alias=True, exclude_unset=True, mode="json"))


def remembered(policy: Policy, before: ApprovedAccelerators | None) -> frozenset[str]:
    """Return the profiles that the selectors, as they are now, approved by the policy's status. Names need no memory."""
    if policy.spec.accelerators.profiles is not None or before is None or before.selectors != selectors(policy):
        return frozenset()
    return frozenset({*before.profiles, *before.missing})


def _approval(policy: Policy, before: ApprovedAccelerators | None, snapshot: Snapshot) -> Approval:
    asked = policy.spec.accelerators
    unreadable = dict.fromkeys(missing_profiles(asked, snapshot.profiles), "doesn't exist")
    gone = [name for name in remembered(policy, before) if name not in snapshot.profiles]
    unreadable |= dict.fromkeys(gone, "doesn't exist any more")
    # Whether a profile that can't be read matches the policy's selectors isn't known. So what runs on it stays.
    for name, profile in snapshot.profiles.items():
        if isinstance(profile, Unparsable) and may_approve(asked, name):
            unreadable[name] = f"can't be read: {profile.reason}"
    named = [n for n in asked.profiles or () if n in unreadable]
    ordered = {name: unreadable[name] for name in [*named, *sorted(unreadable)]}
    return Approval(approved_profiles(asked, snapshot.known_profiles), ordered)
