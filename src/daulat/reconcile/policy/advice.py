"""Keeps each policy's warning at `kubectl apply` as the nodes are: by what they have, not by what is free or ready just now."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.admission.advice import SUFFIX, advice_name, compile_advice
from daulat.admission.policy import PROTECTED_NAMESPACES
from daulat.api.kinds import Manifest
from daulat.facts.child import Child
from daulat.facts.declared import Malformed
from daulat.facts.node import Node
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.dra import offered
from daulat.placement.eligibility import ineligible
from daulat.placement.labels import carries_labels
from daulat.reconcile.result import Apply, Delete, Outcome

KIND = "Advice"


def key(policy: str) -> Ref:
    """Return the key of a policy's warning. No object of that kind exists."""
    return Ref(KIND, "", policy)


def reconcile_advice(ref: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return the warning of the policy, or its removal where the policy is gone. One that can't be read keeps what it had."""
    policy = snapshot.policies.get(ref.name)
    if policy is None:
        left = sorted(_advice(ref.name, snapshot), key=lambda c: (not c.ref.kind.endswith("Binding"), c.ref))
        return Outcome(tuple(Delete(c.ref, c.uid) for c in left if not c.deleting))
    if isinstance(policy, Malformed):
        return Outcome()
    # It hangs on nodes, zones, profiles and policies alone, and a policy is looked at far more often than these change.
    at = ("advice", policy.name, policy.spec)
    if at not in snapshot.memo:
        snapshot.memo[at] = _compiled(policy, snapshot)
    made: list[Manifest] = snapshot.memo[at]
    return Outcome(tuple(Apply(m) for m in made))


def _compiled(policy: Policy, snapshot: Snapshot) -> list[Manifest]:
    nodes = [n for n in snapshot.nodes.values() if isinstance(n, Node) and ineligible(n, policy, snapshot) is None]
    protected = (*PROTECTED_NAMESPACES, snapshot.operator_namespace)
    selector, there = policy.spec.namespace_selector, _there(policy, nodes, snapshot)
    return compile_advice(policy.name, selector, there, bool(nodes), protected)


def left_over(snapshot: Snapshot) -> Iterable[Ref]:
    """Return the keys of warnings whose policy is gone."""
    names = {c.ref.name.removesuffix(SUFFIX) for c in snapshot.children.values() if c.ref.name.endswith(SUFFIX)}
    return [key(name) for name in sorted(names - set(snapshot.policies))]


def _there(policy: Policy, nodes: list[Node], snapshot: Snapshot) -> list[str]:
    """Return the approved profiles of which some of the nodes has a device, in use, broken or free."""
    found = []
    for name in policy.spec.accelerators.profiles:
        profile = snapshot.known_profiles.get(name)
        if profile is not None and any(
            (profile.resources[0].name in n.resources and carries_labels(n, profile)) or offered(n, profile, snapshot)
            for n in nodes
        ):
            found.append(name)
    return found


def _advice(policy: str, snapshot: Snapshot) -> Iterable[Child]:
    return [c for c in snapshot.children.values() if c.ref.name == advice_name(policy)]
