"""All that every policy of a snapshot compiles to: what the operator applies, for those who want it as text."""

from __future__ import annotations

from dataclasses import dataclass, field

from daulat.admission.policy import PolicyError
from daulat.admission.ungoverned import compile_ungoverned
from daulat.api.kinds import Manifest
from daulat.api.policy import EnforcementSource
from daulat.facts.snapshot import Snapshot

from . import gitops, pinning
from .compiled import compiled, governs_protected, protected_namespaces


@dataclass(frozen=True)
class Desired:
    """The manifests by policy, in the order in which they may be applied, and what keeps policies from being compiled."""

    manifests: tuple[Manifest, ...]
    ungoverned: tuple[Manifest, ...]
    """The one guard that all policies share: it keeps pods out of namespaces that have a data class and no policy."""
    by_gitops: bool
    """Whether somebody else than the operator applies any of the policies. The shared guard stays the operator's."""
    refused: dict[str, str]
    """Why, by the name of the policy."""
    missing_profiles: dict[str, tuple[str, ...]]
    """Approved profiles that don't exist, by the name of the policy: nothing of them is approved."""
    unannotated: tuple[str, ...] = ()
    """A sentence for each known namespace without the annotation that pins its pods, as far as GitOps applies the policy."""
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Controls that this Kubernetes can't judge by, by the name of the policy."""
    doubts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Selectors of accelerators that are allowed and hardly meant, by the name of the policy."""


def desired(snapshot: Snapshot, now: float) -> Desired:
    """Return what the operator would apply at this time, in seconds since the epoch."""
    manifests: list[Manifest] = []
    refused: dict[str, str] = {}
    missing: dict[str, tuple[str, ...]] = {}
    unannotated: list[str] = []
    left_out: dict[str, tuple[str, ...]] = {}
    doubts: dict[str, tuple[str, ...]] = {}
    selectors = []
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
        selectors.append(policy.spec.namespace_selector)
        if result.missing_profiles:
            missing[name] = result.missing_profiles
        if result.approved.doubts:
            doubts[name] = result.approved.doubts
        if result.left_out:
            left_out[name] = result.left_out
        if gitops.source(policy) is EnforcementSource.GITOPS:
            governed = snapshot.governed_by(policy)
            unannotated += pinning.missing(policy, result, governed)
    shared = tuple(compile_ungoverned(selectors, protected_namespaces(snapshot)))
    by_gitops = any(gitops.source(p) is EnforcementSource.GITOPS for p in snapshot.known_policies.values())
    return Desired(tuple(manifests), shared, by_gitops, refused, missing, tuple(unannotated), left_out, doubts)
