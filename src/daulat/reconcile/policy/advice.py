"""Keeps each policy's warning at `kubectl apply` as the nodes are: by what they have, not by what is free or ready just now."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from daulat.admission.advice import SUFFIX, Variable, advice_name, compile_advice, refusal_of
from daulat.admission.policy import PolicyError
from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.kinds import Manifest
from daulat.api.meta import LabelSelector
from daulat.facts.child import Child
from daulat.facts.declared import Unparsable
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.approval import approval
from daulat.placement.candidates import candidates_under, some_node_with
from daulat.placement.dra import Asked, Claimed
from daulat.reconcile.result import Apply, Delete, Result

from .compiled import compiled, protected_namespaces

KIND = "Advice"


def key(policy: str) -> Ref:
    """Return the key of a policy's warning. No object of that kind exists."""
    return Ref(KIND, "", policy)


def reconcile_advice(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the warning of the policy, or its removal where the policy is gone. One that can't be read keeps what it had."""
    policy = snapshot.policies.get(ref.name)
    if policy is None:
        left = sorted(_advice(ref.name, snapshot), key=lambda c: (not c.ref.kind.endswith("Binding"), c.ref))
        return Result(evict=tuple(Delete(c.ref, c.uid) for c in left if not c.deleting))
    if isinstance(policy, Unparsable):
        return Result()
    return Result(apply=tuple(Apply(m, independent=True) for m in _compiled(policy, snapshot, now)))


def _compiled(policy: Policy, snapshot: Snapshot, now: float) -> tuple[Manifest, ...]:
    nodes = candidates_under((policy,), snapshot).eligible
    selector, there = policy.spec.namespace_selector, tuple(_there(policy, snapshot))
    try:
        refusal = refusal_of(compiled(policy, snapshot, now))
    except PolicyError:
        refusal = ()  # It isn't in force as it stands, so it refuses nothing.
    return _manifests(policy.name, selector, there, bool(nodes), protected_namespaces(snapshot), refusal)


@lru_cache(maxsize=256)
def _manifests(
    policy: str,
    selector: LabelSelector,
    there: tuple[str, ...],
    eligible: bool,
    protected: tuple[str, ...],
    refusal: tuple[Variable, ...],
) -> tuple[Manifest, ...]:
    """Return the same objects for the same facts: what was applied as it is needn't be compared again."""
    return tuple(compile_advice(policy, selector, there, eligible, protected, refusal))


def left_over(snapshot: Snapshot) -> Iterable[Ref]:
    """Return the keys of warnings whose policy is gone."""
    names = {
        ref.name.removesuffix(SUFFIX) for ref in snapshot.children if not ref.namespace and ref.name.endswith(SUFFIX)
    }
    return [key(name) for name in sorted(names - set(snapshot.policies))]


def _there(policy: Policy, snapshot: Snapshot) -> list[str]:
    """Return the approved profiles of which some eligible node has a device, in use, broken or free."""
    return [
        name
        for name, profile in approval(policy, snapshot).profiles.items()
        if any(some_node_with(profile, asked, (policy,), snapshot) for asked in _asked(profile))
    ]


def _asked(profile: AcceleratorProfileSpec) -> list[Asked]:
    return [profile.resources[0].name, *(Claimed(profile, resource) for resource in profile.dynamic_resources)]


def _advice(policy: str, snapshot: Snapshot) -> Iterable[Child]:
    kinds = ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy")
    found = (snapshot.children.get(Ref(kind, "", advice_name(policy))) for kind in kinds)
    return [child for child in found if child is not None]
