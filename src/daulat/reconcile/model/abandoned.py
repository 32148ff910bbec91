"""Takes away what runs of a model and is explained by no owner: of one that is being deleted, that is gone, or that doesn't own it.

The garbage collector takes away what is owned by a model that is gone. It doesn't look at a model that a finalizer holds, nor at an
object whose owner reference somebody took away or replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daulat.api.kinds import Manifest
from daulat.facts.by_namespace import models_in
from daulat.facts.child import WORKLOADS, Child
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.policy.brake import Brake
from daulat.reconcile.result import Delete

from .auxiliary import KINDS as AUXILIARY

RETRY = 60.0
"""Seconds after which a deletion that a brake holds is tried again."""


def astray(ref: Ref, uid: str, snapshot: Snapshot) -> list[Child]:
    """Return what carries the model's label and that the garbage collector will never take away with the model.

    ``uid`` is the model's; empty where it is gone. What another model of that name owned is left to the garbage collector.
    """
    others = {snapshot.models[other].uid for other in models_in([ref.namespace], snapshot)} - {uid}
    children = snapshot.children_by_model.get((ref.namespace, ref.name), ())
    theirs = [c for c in children if not uid or c.owner_uid != uid]
    return [c for c in theirs if not c.is_owned_by_model or c.owner_uid in others]


def of_deleted(made: Sequence[Child]) -> Iterator[Delete]:
    """Return the end of what runs of a model that is being deleted. Its pods have the time that they have by themselves."""
    return (Delete(child.ref, child.uid, foreground=child.held) for child in _running(made))


def of_gone(ref: Ref, snapshot: Snapshot, now: float) -> Iterator[Delete]:
    """Return the end of what runs of a model that is gone.

    Where no policy governs its namespace nothing is taken away: that a policy is gone decides nothing about what runs.
    """
    if "SovereignModel" not in snapshot.unlisted and (policies := snapshot.governing(ref.namespace)):
        yield from _charged(ref, _running(astray(ref, "", snapshot)), policies, snapshot, now)


def foreign(
    ref: Ref, strays: Sequence[Child], run: Sequence[Manifest], snapshot: Snapshot, now: float
) -> Iterator[Delete]:
    """Return the end of workloads that a model which runs doesn't own.

    Those whose owner was only taken away, and that are wanted, get it back when they are applied.
    """
    wanted = {Ref.of(m["kind"], m) for m in run}
    found = [
        c
        for c in _running(strays)
        if c.ref.kind in WORKLOADS and not (c.ref in wanted and not c.owner_uid and not c.deleting)
    ]
    return _charged(ref, found, snapshot.governing(ref.namespace), snapshot, now)


def _charged(
    ref: Ref, children: Sequence[Child], policies: Sequence[Policy], snapshot: Snapshot, now: float
) -> Iterator[Delete]:
    """Return the deletions that the brakes of the policies let through now, charged to them."""
    uids = {p.uid for p in snapshot.pods_by_model.get((ref.namespace, ref.name), ()) if p.runs}
    for child in children:
        pods = min(child.replicas, len(uids)) if child.ref.kind in WORKLOADS else 0
        if all(Brake(p, snapshot, now).allows(pods, now, child.uid) for p in policies):
            charged_to = tuple(p.name for p in policies)
            yield Delete(child.ref, child.uid, foreground=child.held, charged_to=charged_to, pods=pods)


def _running(children: Sequence[Child]) -> list[Child]:
    """Return the workloads first: their controllers would make the pods anew. NetworkPolicies stay, for pods take time to end."""
    found = [c for c in children if (c.held or not c.deleting) and c.ref.kind in WORKLOADS | AUXILIARY]
    return sorted(found, key=lambda c: (c.ref.kind not in WORKLOADS, c.ref))
