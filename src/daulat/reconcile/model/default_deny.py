"""Keeps the network of models' pods closed until they have ended, whoever deletes the models and so their own NetworkPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from daulat.facts.child import Child
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.result import Apply, Delete, Result
from daulat.workload.network import DEFAULT_DENY, default_deny

KIND = "DefaultDeny"
"""The kind of these keys. No object of that kind exists: a key stands for the NetworkPolicy of a namespace that is no model's."""


def key(namespace: str) -> Ref:
    """Return the key of a namespace."""
    return Ref(KIND, "", namespace)


def reconcile_default_deny(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the NetworkPolicy where the namespace has a model, or anything is left of one; else its end."""
    namespace = ref.name
    there, state = _there(namespace, snapshot), snapshot.namespaces.get(namespace)
    if state is None or state.terminating:
        return Result()
    if _is_used(namespace, snapshot):
        return Result(apply=(Apply(default_deny(namespace)),))
    return Result(sweep=(Delete(there.ref, there.uid),)) if there and not there.deleting else Result()


def concerned(namespace: str, snapshot: Snapshot) -> Iterator[Ref]:
    """Return the key to look at after a model, or something of one, is gone."""
    if _there(namespace, snapshot):
        yield key(namespace)


def everything(snapshot: Snapshot) -> Iterator[Ref]:
    """Return the keys of all namespaces that have or may need it."""
    used = {ref.namespace for ref in snapshot.children if ref.kind == "NetworkPolicy"}
    yield from (key(namespace) for namespace in sorted(used))


def _there(namespace: str, snapshot: Snapshot) -> Child | None:
    return snapshot.children.get(Ref("NetworkPolicy", namespace, DEFAULT_DENY))


def _is_used(namespace: str, snapshot: Snapshot) -> bool:
    """Say whether the namespace has a model, something that was made for one, or pods of one that haven't ended."""
    left = (where for where, _ in chain(snapshot.children_by_model, snapshot.pods_by_model))
    return namespace in chain((ref.namespace for ref in snapshot.models), left)
