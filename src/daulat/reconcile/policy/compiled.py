"""What policies compile to with what is known now, kept as long as nothing that the compiler reads changes."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.admission.policy import PROTECTED_NAMESPACES, CompiledPolicy, compile_policy, selected_though_protected
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.kinds import Manifest
from daulat.api.meta import seconds_of
from daulat.api.timestamps import seconds, stamp
from daulat.facts.change import Change
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.derived import DerivedFact
from daulat.facts.snapshot import Exemption, Policy, Snapshot

from . import gitops


class Compilations(DerivedFact):
    """The compiled policies and their manifests, by the policy's name."""

    depends_on = frozenset({"SovereigntyPolicy", "SovereignZone", "AcceleratorProfile"})

    def __init__(self) -> None:
        self._found: dict[str, tuple[Policy, Sequence[SovereigntyExemptionSpec], CompiledPolicy]] = {}
        self._manifests: dict[str, tuple[CompiledPolicy, tuple[Manifest, ...]]] = {}

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Drop the policy. A zone concerns every policy, and so does a profile, whose variables none may set."""
        if change.ref.kind != "SovereigntyPolicy":
            return False
        self._found.pop(change.ref.name, None)
        self._manifests.pop(change.ref.name, None)
        return True

    def of_policy(self, policy: Policy, snapshot: Snapshot, now: float) -> CompiledPolicy:
        """Return the policy compiled with what is true now. Raises PolicyError."""
        exemptions = exemptions_now(policy, snapshot, now)
        known = self._found.get(policy.name)
        if known is not None and known[0].spec is policy.spec and known[1] == exemptions:
            return known[2]
        zones = {name: zone.spec for name, zone in snapshot.known_zones.items()}
        found = compile_policy(
            policy.name,
            policy.spec,
            snapshot.known_profiles,
            exemptions,
            protected_namespaces(snapshot),
            zones,
            snapshot.capabilities,
        )
        self._found[policy.name] = policy, exemptions, found
        return found

    def manifests_of(self, policy: Policy, compiled: CompiledPolicy) -> tuple[Manifest, ...]:
        """Return what is to be applied: the same objects as long as the policy compiles to the same."""
        known = self._manifests.get(policy.name)
        if known is None or known[0] is not compiled:
            known = self._manifests[policy.name] = compiled, gitops.manifests(policy, compiled)
        return known[1]


def compiled(policy: Policy, snapshot: Snapshot, now: float) -> CompiledPolicy:
    """Return the policy compiled with what is true now. Raises PolicyError."""
    return Compilations.of(snapshot).of_policy(policy, snapshot, now)


def manifests(policy: Policy, result: CompiledPolicy, snapshot: Snapshot) -> tuple[Manifest, ...]:
    """Return what is to be applied for a compiled policy."""
    return Compilations.of(snapshot).manifests_of(policy, result)


def governs_protected(policy: Policy, snapshot: Snapshot) -> str:
    """Return what is wrong with a policy that selects a namespace which none may govern; nothing where it selects none."""
    known = (n for name in protected_namespaces(snapshot) if (n := snapshot.namespaces.get(name)) is not None)
    return selected_though_protected(policy.spec.namespace_selector, {n.name: n.labels for n in known})


def protected_namespaces(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the namespaces that no policy may govern."""
    return (*PROTECTED_NAMESPACES, snapshot.operator_namespace)


def unreadable_exemptions(snapshot: Snapshot) -> list[str]:
    """Return the names of exemptions that can't be read: each may be of any policy."""
    return sorted(name for name, exemption in snapshot.exemptions.items() if isinstance(exemption, Unparsable))


def exemptions_now(policy: Policy, snapshot: Snapshot, now: float) -> Sequence[SovereigntyExemptionSpec]:
    """Return the exemptions of the policy that haven't expired, none longer than the policy allows.

    From an authority's policy the authority's own exemptions alone count: only its administrators give them its label.
    """
    return [spec for _, spec in named_exemptions_now(policy, snapshot, now)]


def named_exemptions_now(
    policy: Policy, snapshot: Snapshot, now: float
) -> Sequence[tuple[str, SovereigntyExemptionSpec]]:
    """Return the same exemptions with their names."""
    own = (
        (name, e)
        for name, e in sorted(snapshot.exemptions.items())
        if isinstance(e, Declared) and e.spec.policy == policy.name and e.authority == (policy.authority or e.authority)
    )
    return [(name, spec) for name, e in own if not (spec := as_allowed(e, policy)).expired(now)]


def as_allowed(exemption: Exemption, policy: Policy) -> SovereigntyExemptionSpec:
    """Return the exemption as it counts: where it is longer than the policy allows, as ending when that time is over."""
    allowed = policy.spec.exemptions
    if allowed is None or allowed.max_duration is None or not exemption.created:
        return exemption.spec
    last = seconds(exemption.created) + seconds_of(allowed.max_duration)
    return (
        exemption.spec
        if exemption.spec.expired(last)
        else exemption.spec.model_copy(update={"expires_at": stamp(last)})
    )
