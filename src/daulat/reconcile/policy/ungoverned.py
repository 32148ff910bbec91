"""Keeps pods out of namespaces that have a data class and no policy in force, by guards that all policies share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from daulat.admission.policy import PolicyError
from daulat.admission.ungoverned import UNGOVERNED, compile_ungoverned
from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.policy import EnforcementSource
from daulat.facts.child import Child
from daulat.facts.namespace import Namespace
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.result import Apply, DryRunPod, Result

from .canary import canary_pod
from .compiled import compiled, protected_namespaces

KEY = Ref("Ungoverned", "", "cluster")
"""The key of this guard. No object of that kind exists: it belongs to no policy."""
CANARY = "daulat.dev/ungoverned"
"""What a canary asks for, where it asks this guard: no policy can have that name."""


def reconcile_ungoverned(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the guard as the policies in force make it. It stays when there is no policy: then nothing governs at all."""
    selectors = frozenset(selectors_in_force(snapshot, now))
    return Result(
        apply=tuple(Apply(m, independent=True) for m in _manifests(selectors, protected_namespaces(snapshot)))
    )


@lru_cache(maxsize=8)
def _manifests(selectors: frozenset[LabelSelector], protected: tuple[str, ...]) -> tuple[Manifest, ...]:
    """Return the same objects for the same selectors: what was applied as it is needn't be compared again."""
    return tuple(compile_ungoverned(selectors, protected))


def selectors_in_force(snapshot: Snapshot, now: float) -> Iterator[LabelSelector]:
    """Return by which labels namespaces are governed now: as compiled, not as wished for.

    A new policy opens its namespaces once its guard of pods is there and bound. One that can't be read any more still governs by
    what it was compiled to before. One that is gone closes its namespaces before its guards are swept.
    """
    for name in snapshot.children_by_policy:
        yield from _bound(name, snapshot)
    for policy in snapshot.known_policies.values():
        yield from _proved(policy, snapshot, now)


def in_force_in(namespace: Namespace, policies: Sequence[Policy], snapshot: Snapshot, now: float) -> bool:
    """Say whether one of the policies is in force in the namespace: guarded, and open to pods as far as that was tried."""
    return any(
        not _is_shut(policy.name, snapshot)
        and any(s.matches(namespace.labels) for s in _selectors(policy, snapshot, now))
        for policy in policies
    )


def _selectors(policy: Policy, snapshot: Snapshot, now: float) -> Iterator[LabelSelector]:
    yield from _bound(policy.name, snapshot)
    yield from _proved(policy, snapshot, now)


def _bound(policy: str, snapshot: Snapshot) -> Iterator[LabelSelector]:
    """Return the selectors of the guards of pods that the policy has in the API, each with its binding."""
    children = snapshot.children_by_policy.get(policy, ())
    guards = {c.ref.name for c in children if c.ref.kind == "ValidatingAdmissionPolicy"}
    for child in children:
        if child.selector is not None and child.ref.name in guards and _stays(child, snapshot):
            yield child.selector


def _proved(policy: Policy, snapshot: Snapshot, now: float) -> Iterator[LabelSelector]:
    """Return the selector of the revision that was proved: a wider one of today isn't in force before its own proof."""
    if not _is_static(policy):
        return
    if (proof := snapshot.proofs.get(policy.name)) is not None:
        yield proof.selector
    elif policy.name not in snapshot.canaries and _was_proved(policy, snapshot, now):
        yield policy.spec.namespace_selector


def probe(policy: str, namespace: str) -> DryRunPod:
    """Return a try whether this guard still keeps pods out of a namespace of the policy."""
    pod: Manifest = canary_pod(CANARY, namespace)
    pod["metadata"]["name"] = "daulat-canary-ungoverned"
    return DryRunPod(_key(policy), pod)


def closed(policy: str, snapshot: Snapshot) -> bool:
    """Say whether the last try found that the policy's namespace is still closed. Where none was made, it may be."""
    return _key(policy) not in snapshot.canaries or _is_shut(policy, snapshot)


def _is_shut(policy: str, snapshot: Snapshot) -> bool:
    found = snapshot.canaries.get(_key(policy))
    return found is not None and found.refused and UNGOVERNED in found.message


def _key(policy: str) -> str:
    return f"{policy}/ungoverned"


def _stays(child: Child, snapshot: Snapshot) -> bool:
    return child.policy in snapshot.policies or child.source == EnforcementSource.GITOPS.value


def _is_static(policy: Policy) -> bool:
    """Say whether the policy may be in force with no object in the API, from the API server's own static manifests."""
    return policy.spec.enforcement is not None and policy.spec.enforcement.source is EnforcementSource.GITOPS


def _was_proved(policy: Policy, snapshot: Snapshot, now: float) -> bool:
    """Say whether the status says, after the operator's start, that the very revision of today was proved for today's selector."""
    enforced = policy.status.condition(reasons.ENFORCED)
    if enforced is None or enforced.status != "True" or enforced.observed_generation != policy.generation:
        return False
    try:
        return bool(policy.status.revision == compiled(policy, snapshot, now).revision)
    except PolicyError:
        return False
