"""Lets nodes be drained: a model with one replica gets another elsewhere first, and no budget blocks a drain for ever.

A node that isn't eligible any more is drained by the operator itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daulat.api.model import DrainStatus
from daulat.facts.node import Node
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.placement.choice import Chosen
from daulat.reconcile.policy import drift
from daulat.reconcile.timestamps import seconds, stamp
from daulat.workload.manifests import DEADLINE

from .termination import gives_back


@dataclass(frozen=True)
class Drain:
    """What a drain, or the wait for one, means for a model."""

    extra: int
    """Replicas beyond those that are asked for."""
    evictable: int
    """How many pods may be evicted at a time."""
    status: DrainStatus | None = None
    """The status block, while pods are on nodes that are being drained."""
    again: float | None = None
    """Seconds after which to look again."""
    ends: tuple[Pod, ...] = ()
    """Pods to delete: their node isn't eligible any more, and they aren't missed."""


def drain(
    model: Model, chosen: Chosen, pods: Sequence[Pod], ending: Sequence[Pod], snapshot: Snapshot, now: float
) -> Drain:
    """Return how many replicas there are to be, and how many may go. Pods that are ``ending`` give their devices back.

    Nobody sees from outside whether a cordoned node will be drained. So the replica elsewhere is made for a cordoned node, and
    given up again after the time in which it could have come up. Pods whose node isn't eligible any more leave in the same way.
    """
    alone = model.spec.replicas == 1 and chosen.devices.nodes == 1
    policies = snapshot.governing(model.namespace)
    leaving = [p for p in pods if _cordoned(p, snapshot) or drift.moves(p, policies, snapshot)]
    if not leaving:
        # With one replica, its eviction waits for the operator: there may be room for another one first.
        return Drain(0, 0 if alone else 1)
    since = (model.status.drain.since if model.status.drain is not None else "") or stamp(now)
    status = DrainStatus(since=since, nodes=tuple(sorted({p.node for p in leaving})))
    left = seconds(since) + DEADLINE - now
    # One that is on its way out takes nobody's place, though it goes on for a while; then its devices are free.
    elsewhere = [p for p in pods if p.node and p not in leaving and not p.termination_deadline]
    room = sum(chosen.room.values()) + gives_back(ending, chosen, snapshot) - sum(not p.node for p in pods)
    everything = len(leaving) + sum(not p.ready for p in pods if p not in leaving)
    if left <= 0:
        return Drain(0, everything, status)
    coming = any(not p.ready for p in elsewhere)
    ends = () if coming else _next_to_end(model, policies, leaving, len(elsewhere), snapshot)
    if alone and any(p.ready for p in elsewhere):
        # What is on its way out isn't counted by the Deployment any more: it would make a third.
        return Drain(0 if all(p.termination_deadline for p in leaving) else 1, 1, status, left, ends)
    if alone and (coming or room > 0 or (room == 0 and any(not p.node for p in pods))):
        return Drain(1, 0, status, left)
    if not alone and (coming or room >= 0):
        return Drain(0, 1, status, left, ends)
    # There is no room for a replacement: what is on those nodes may go at once, whatever is lost by that.
    return Drain(0, everything, status, left)


def _next_to_end(
    model: Model, policies: Sequence[Policy], leaving: Sequence[Pod], elsewhere: int, snapshot: Snapshot
) -> tuple[Pod, ...]:
    """Return the one pod that may be deleted, since nobody else evicts it: one after the other, and none that is missed."""
    if any(p.termination_deadline for p in leaving) or len(leaving) + elsewhere < model.spec.replicas:
        return ()
    return tuple(p for p in leaving if drift.moves(p, policies, snapshot))[:1]


def _cordoned(pod: Pod, snapshot: Snapshot) -> bool:
    node = snapshot.nodes.get(pod.node)
    return isinstance(node, Node) and not node.schedulable
