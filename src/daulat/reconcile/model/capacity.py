"""Wakes the models for which there may be room now, or for which there isn't any more, in the order in which they came."""

from __future__ import annotations

from daulat.api import reasons
from daulat.facts.declared import Declared
from daulat.facts.snapshot import Model, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.capacity import DeviceAccounting
from daulat.reconcile.result import Result

KEY = Ref("Capacity", "", "cluster")
"""The key of this question. No object of that kind exists: it stands for all that pods, nodes and models hold."""
_WAITING = frozenset(reason for reason in reasons.REASONS.values() if reason.awaits_devices)


def reconcile_capacity(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the models to look at. What was made room for goes to those who have waited longest."""
    # Models that stand and have no pod on a node yet choose anew where others took their devices.
    crowded = DeviceAccounting(snapshot, KEY).crowded()
    found = [
        (model.created, ref)
        for ref, model in snapshot.models.items()
        if isinstance(model, Declared) and (_waits(model) or (crowded and not _has_pods(ref, snapshot)))
    ]
    return Result(enqueue=tuple(ref for _, ref in sorted(found)))


def _waits(model: Model) -> bool:
    placed = model.status.condition(reasons.PLACED)
    # One that drifts may have a place elsewhere now.
    if model.status.drift is not None:
        return True
    return (placed is not None and placed.status != "True") or any(
        c.reason in _WAITING for c in model.status.conditions
    )


def _has_pods(ref: Ref, snapshot: Snapshot) -> bool:
    return any(pod.node for pod in snapshot.pods_by_model.get((ref.namespace, ref.name), ()))
