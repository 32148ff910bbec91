"""Keeps the NetworkPolicies of a namespace that are no model's.

One closes the network of models' pods until they have ended, whoever deletes the models and so their own NetworkPolicies. The other
governs the egress of all other pods, where a policy says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from daulat.facts.by_namespace import models_in
from daulat.facts.child import Child
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile import closed_egress
from daulat.reconcile.result import Apply, Delete, Result
from daulat.workload.egress import NAMESPACE_EGRESS, namespace_egress
from daulat.workload.network import DEFAULT_DENY, default_deny

KIND = "DefaultDeny"
"""The kind of these keys. No object of that kind exists: a key stands for the NetworkPolicy of a namespace that is no model's."""


def key(namespace: str) -> Ref:
    """Return the key of a namespace."""
    return Ref(KIND, "", namespace)


def reconcile_default_deny(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the NetworkPolicy where the namespace has a model, or anything is left of one; else its end."""
    namespace = ref.name
    state = snapshot.namespaces.get(namespace)
    if state is None or state.terminating:
        return Result()
    closing = closed_egress.sections(namespace, snapshot)
    wanted = [namespace_egress(namespace, closing, snapshot.platform)] if closing else []
    if closing or _is_used(namespace, snapshot):
        # A pod with a model's label is selected by this one alone, whether or not there is a model.
        wanted.append(default_deny(namespace))
    names = {manifest["metadata"]["name"] for manifest in wanted}
    left = [
        c
        for name in closed_egress.NAMES
        if name not in names and (c := _there(namespace, snapshot, name)) and not c.deleting
    ]
    # A policy that can't be read may be the one that closes the namespace, so what is there stays.
    keeps = bool(snapshot.unparsable_policies())
    sweep = tuple(Delete(c.ref, c.uid) for c in left if not (keeps and c.ref.name == NAMESPACE_EGRESS))
    return Result(apply=tuple(map(Apply, wanted)), sweep=sweep)


def concerned(namespace: str, snapshot: Snapshot) -> Iterator[Ref]:
    """Return the key to look at after a model, or something of one, is gone."""
    if _there(namespace, snapshot):
        yield key(namespace)


def everything(snapshot: Snapshot) -> Iterator[Ref]:
    """Return the keys of all namespaces that have or may need it."""
    used = {ref.namespace for ref in snapshot.children if ref.kind == "NetworkPolicy"}
    used |= {name for name in snapshot.namespaces if closed_egress.sections(name, snapshot)}
    yield from (key(namespace) for namespace in sorted(used))


def _there(namespace: str, snapshot: Snapshot, name: str = DEFAULT_DENY) -> Child | None:
    return snapshot.children.get(Ref("NetworkPolicy", namespace, name))


def _is_used(namespace: str, snapshot: Snapshot) -> bool:
    """Say whether the namespace has a model, something that was made for one, or pods of one that haven't ended."""
    left = (where for where, _ in chain(snapshot.children_by_model, snapshot.pods_by_model))
    return bool(models_in([namespace], snapshot)) or namespace in left
