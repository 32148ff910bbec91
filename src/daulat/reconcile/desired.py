"""All that every policy of a snapshot compiles to: what the operator applies, for those who want it as text."""

from __future__ import annotations

from dataclasses import dataclass

from daulat.admission.policy import PolicyError
from daulat.api.kinds import Manifest
from daulat.facts.snapshot import Snapshot

from . import gitops
from .policies import compiled, governs_protected


@dataclass(frozen=True)
class Desired:
    """The manifests by policy, in the order in which they may be applied, and what keeps policies from being compiled."""

    manifests: tuple[Manifest, ...]
    refused: dict[str, str]
    """Why, by the name of the policy."""
    missing_profiles: dict[str, tuple[str, ...]]
    """Approved profiles that don't exist, by the name of the policy: nothing of them is approved."""


def desired(snapshot: Snapshot, now: float) -> Desired:
    """Return what the operator would apply at this time, in seconds since the epoch."""
    manifests: list[Manifest] = []
    refused: dict[str, str] = {}
    missing: dict[str, tuple[str, ...]] = {}
    for name, policy in snapshot.known_policies.items():
        if why := governs_protected(policy, snapshot):
            refused[name] = why
            continue
        try:
            result = compiled(policy, snapshot, now)
        except PolicyError as error:
            refused[name] = str(error)
            continue
        manifests += gitops.manifests(policy, result)
        if result.missing_profiles:
            missing[name] = result.missing_profiles
    return Desired(tuple(manifests), refused, missing)
