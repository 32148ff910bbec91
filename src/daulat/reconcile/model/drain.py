"""Lets nodes be drained: a model with one replica gets another elsewhere first, and no budget blocks a drain for ever.

A node that isn't eligible any more is drained by the operator itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daulat.api.model import DrainStatus
from daulat.api.timestamps import seconds, stamp
from daulat.facts.node import Node
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Snapshot
from daulat.placement.choice import Chosen
from daulat.reconcile.policy import drift
from daulat.workload.manifests import DEADLINE

from .termination import gives_back


@dataclass(frozen=True)
class Drain:
    """What a drain, or the wait for one, means for a model."""

    extra: int
    """Replicas beyond those that are requested."""
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
    moving = [p for p in pods if drift.moves(p, policies, snapshot)]
    leaving = [p for p in pods if p in moving or _cordoned(p, snapshot)]
    if not leaving:
        # With one replica, its eviction waits for the operator: there may be room for another one first.
        return Drain(0, 0 if alone else 1)
    since = (model.status.drain.since if model.status.drain is not None else "") or stamp(now)
    status = DrainStatus(since=since, nodes=tuple(sorted({p.node for p in leaving})))
    left = seconds(since) + DEADLINE - now
    # One that is on its way out takes nobody's place, though it goes on for a while; then its devices are free.
    elsewhere = [p for p in pods if p.node and p not in leaving and not p.termination_deadline]
    free = sum(chosen.room.values()) + gives_back(ending, chosen, snapshot)
    room = free - sum(not p.node for p in pods)
    everything = len(leaving) + sum(not p.ready for p in pods if p not in leaving)
    if left <= 0:
        return Drain(0, everything, status)
    coming = any(not p.ready for p in elsewhere)
    if moving and not alone:
        return _moved(model, moving, leaving, elsewhere, free, status, left)
    ends = () if coming or any(p.termination_deadline for p in leaving) else tuple(moving[:1])
    if alone and any(p.ready for p in elsewhere):
        # What is on its way out isn't counted by the Deployment any more: it would make a third.
        return Drain(0 if all(p.termination_deadline for p in leaving) else 1, 1, status, left, ends)
    if alone and (coming or room > 0 or (room == 0 and any(not p.node for p in pods))):
        return Drain(1, 0, status, left)
    if not alone and (coming or room >= 0):
        return Drain(0, 1, status, left)
    # There is no room for a replacement: what is on those nodes may go at once, whatever is lost by that.
    return Drain(0, everything, status, left)


def _moved(
    model: Model,
    moving: Sequence[Pod],
    leaving: Sequence[Pod],
    elsewhere: Sequence[Pod],
    free: int,
    status: DrainStatus,
    again: float,
) -> Drain:
    """Return how several replicas leave nodes that aren't eligible: each once another one serves in its place.

    There are as many replicas more as there is room for, so that as many as possible serve elsewhere before the grace period is
    over. Where there is room for none, all stay until then.
    """
    replicas = model.spec.replicas
    stay = [p for p in moving if not p.termination_deadline]
    # On cordoned nodes, too, replicas go on meanwhile.
    cordoned = [p for p in leaving if p not in moving and not p.termination_deadline]
    others = len(elsewhere) + len(cordoned)
    extra = max(min(others + len(stay) - replicas + free, len(stay)), 0)
    serving = sum(p.ready for p in (*elsewhere, *cordoned))
    spare = serving + sum(p.ready for p in stay) - replicas
    # Those that don't serve go first, once enough others do: nothing is missed by that.
    idle = [p for p in stay if not p.ready] if serving >= replicas else []
    ready = [p for p in stay if p.ready]
    return Drain(extra, 1, status, again, (*idle, *ready[: max(min(spare, serving), 0)]))


def _cordoned(pod: Pod, snapshot: Snapshot) -> bool:
    node = snapshot.nodes.get(pod.node)
    return isinstance(node, Node) and not node.schedulable
