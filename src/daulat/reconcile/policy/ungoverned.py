"""Keeps pods out of namespaces that have a data class and no policy in force, by one guard that all policies share."""

from __future__ import annotations

from collections.abc import Iterator

from daulat.admission.policy import PROTECTED_NAMESPACES
from daulat.admission.ungoverned import UNGOVERNED, compile_ungoverned
from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.api.policy import EnforcementSource
from daulat.facts.child import Child
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.result import Apply, Outcome, Probe

from .canary import canary_pod

KEY = Ref("Ungoverned", "", "cluster")
"""The key of this guard. No object of that kind exists: it belongs to no policy."""
CANARY = "daulat.dev/ungoverned"
"""What a canary asks for, where it asks this guard: no policy can have that name."""


def reconcile_ungoverned(ref: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return the guard as the policies in force make it. It stays when there is no policy: then nothing governs at all."""
    protected = (*PROTECTED_NAMESPACES, snapshot.operator_namespace)
    return Outcome(tuple(Apply(m) for m in compile_ungoverned(selectors_in_force(snapshot), protected)))


def selectors_in_force(snapshot: Snapshot) -> Iterator[LabelSelector]:
    """Return by which labels namespaces are governed now: as compiled, not as wished for.

    A new policy opens its namespaces once its guard of pods is there and bound. One that can't be read any more still governs by
    what it was compiled to before. One that is gone closes its namespaces before its guards are swept.
    """
    guards = {c.ref.name for c in snapshot.children.values() if c.ref.kind == "ValidatingAdmissionPolicy"}
    for child in snapshot.children.values():
        if child.selector is not None and child.ref.name in guards and _stays(child, snapshot):
            yield child.selector
    for policy in snapshot.known_policies.values():
        if _is_static(policy) and _is_proved(policy, snapshot):
            yield policy.spec.namespace_selector


def probe(policy: str, namespace: str) -> Probe:
    """Return a try whether this guard still keeps pods out of a namespace of the policy."""
    pod: Manifest = canary_pod(CANARY, namespace)
    pod["metadata"]["name"] = "daulat-canary-ungoverned"
    return Probe(_key(policy), pod)


def closed(policy: str, snapshot: Snapshot) -> bool:
    """Say whether the last try found that the policy's namespace is still closed. Where none was made, it may be."""
    found = snapshot.canaries.get(_key(policy))
    return found is None or (found.refused and UNGOVERNED in found.message)


def _key(policy: str) -> str:
    return f"{policy}/ungoverned"


def _stays(child: Child, snapshot: Snapshot) -> bool:
    return child.policy in snapshot.policies or child.source == EnforcementSource.GITOPS.value


def _is_static(policy: Policy) -> bool:
    """Say whether the policy may be in force with no object in the API, from the API server's own static manifests."""
    return policy.spec.enforcement is not None and policy.spec.enforcement.source is EnforcementSource.GITOPS


def _is_proved(policy: Policy, snapshot: Snapshot) -> bool:
    found = snapshot.canaries.get(policy.name)
    if found is not None:
        return found.refused and "revision " in found.message
    told = {c.get("type"): c.get("status") for c in policy.status.get("conditions") or ()}
    return told.get(reasons.ENFORCED) == "True"
