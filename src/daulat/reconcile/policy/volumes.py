"""Volumes of claims: the guard that judges one when it is bound, and those that are bound already and aren't accepted.

What is bound was judged when it was, unless that was before the policy, before the operator wrote the namespace's name into the
guard, or under enforcement by GitOps, which has no such guard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daulat.admission.boundvolumes import called, compile_bound_volumes
from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.kinds import Manifest
from daulat.api.policy import ControlInForce, SovereigntyPolicySpec
from daulat.cel.evaluator import Request, evaluate_all
from daulat.facts.change import Change
from daulat.facts.derived import DerivedFact
from daulat.facts.namespace import Namespace
from daulat.facts.snapshot import Policy, Snapshot
from daulat.facts.volume import Volume

from .compiled import exemptions_now


@dataclass(frozen=True)
class Unaccepted:
    """A claim of a governed namespace whose volume the policy wouldn't accept today."""

    volume: Volume
    why: str
    """What the policy says of it; empty but for the first."""

    @property
    def claim(self) -> str:
        """The claim as namespace/name."""
        return f"{self.volume.namespace}/{self.volume.claim}"


class BoundVolumes(DerivedFact):
    """The bound volumes by the namespace of their claim, and what policies say of them."""

    depends_on = frozenset({"PersistentVolume", "SovereignZone"})

    def __init__(self) -> None:
        self._by_namespace: dict[str, dict[str, Volume]] | None = None
        self._guards: dict[str, tuple[SovereigntyPolicySpec, Sequence[SovereigntyExemptionSpec], _Guards]] = {}

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Move a volume to the namespace of its claim. A zone decides which classes are of record, for every policy."""
        if change.ref.kind != "PersistentVolume":
            return False
        if self._by_namespace is not None:
            for side, comes in ((change.before, False), (change.after, True)):
                if isinstance(side, Volume) and side.namespace:
                    here = self._by_namespace.setdefault(side.namespace, {})
                    here.pop(side.name, None)
                    if comes:
                        here[side.name] = side
        return True

    def in_namespace(self, namespace: str, snapshot: Snapshot) -> Iterable[Volume]:
        """Return the volumes that are bound to its claims."""
        if self._by_namespace is None:
            self._by_namespace = {}
            for volume in snapshot.volumes.values():
                if volume.namespace:
                    self._by_namespace.setdefault(volume.namespace, {})[volume.name] = volume
        return self._by_namespace.get(namespace, {}).values()

    def guards_of(self, policy: Policy, snapshot: Snapshot, now: float) -> _Guards:
        """Return what judges volumes under a policy, and what it said so far."""
        exemptions = exemptions_now(policy, snapshot, now)
        known = self._guards.get(policy.name)
        if known is None or known[0] is not policy.spec or known[1] != exemptions:
            known = self._guards[policy.name] = policy.spec, exemptions, _Guards(policy, exemptions, snapshot)
        return known[2]


class _Guards:
    """The guard of a policy, and the verdicts on volumes that are alike."""

    def __init__(self, policy: Policy, exemptions: Sequence[SovereigntyExemptionSpec], snapshot: Snapshot) -> None:
        self._policy, self._exemptions = policy, exemptions
        self._zones = {name: zone.spec for name, zone in snapshot.known_zones.items()}
        self.controls = tuple(
            ControlInForce(id=c.control.id, guard=c.control.guard, action=c.action) for c in called(policy.spec)
        )
        """The controls that the policy's sections call for, as its status lists them."""
        self._applied: tuple[tuple[str, ...], tuple[Manifest, ...]] = (), ()
        self._accepted: dict[tuple[str, str, tuple[str, ...], str], bool] = {}

    def applied(self, namespaces: tuple[str, ...]) -> tuple[Manifest, ...]:
        """Return the guard for all namespaces that the policy governs: the same objects as long as these are the same."""
        if self._applied[0] != namespaces:
            self._applied = namespaces, self._compile(namespaces)
        return self._applied[1]

    def accepts(self, volume: Volume) -> bool:
        """Say whether the policy would let the volume be bound to its claim."""
        alike = (volume.namespace, volume.storage_class, volume.sources, volume.driver)
        if alike not in self._accepted:
            self._accepted[alike] = not self.why(volume)
        return self._accepted[alike]

    def why(self, volume: Volume) -> str:
        """Return what the policy would say of it; empty where it would be accepted."""
        request = Request(object=volume.manifest(), resource="persistentvolumes", name=volume.name)
        return " ".join(verdict.message for verdict in evaluate_all(self._compile((volume.namespace,)), request))

    def _compile(self, names: tuple[str, ...]) -> tuple[Manifest, ...]:
        policy = self._policy
        return tuple(compile_bound_volumes(policy.name, policy.spec, self._zones, names, self._exemptions))


def guard(policy: Policy, governed: Iterable[Namespace], snapshot: Snapshot, now: float) -> tuple[Manifest, ...]:
    """Return the guard that the operator applies. Raises PolicyError."""
    guards = BoundVolumes.of(snapshot).guards_of(policy, snapshot, now)
    return guards.applied(tuple(sorted(n.name for n in governed))) if guards.controls else ()


def controls(policy: Policy, snapshot: Snapshot, now: float) -> tuple[ControlInForce, ...]:
    """Return the controls of the guard as the policy's status lists them. Raises PolicyError."""
    return BoundVolumes.of(snapshot).guards_of(policy, snapshot, now).controls


def unaccepted(policy: Policy, governed: Iterable[Namespace], snapshot: Snapshot, now: float) -> list[Unaccepted]:
    """Return the claims whose volumes the policy wouldn't accept, by name. Raises PolicyError."""
    volumes = BoundVolumes.of(snapshot)
    guards = volumes.guards_of(policy, snapshot, now)
    if not guards.controls:
        return []
    found = [v for n in governed for v in volumes.in_namespace(n.name, snapshot) if not guards.accepts(v)]
    found.sort(key=lambda v: (v.namespace, v.claim))
    return [Unaccepted(v, guards.why(v) if v is found[0] else "") for v in found]
