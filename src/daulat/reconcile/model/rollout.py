"""Decides how the replicas of a Deployment are replaced, and tells how far that has come."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api import reasons
from daulat.facts.child import Child
from daulat.facts.pod import Pod
from daulat.facts.trouble import PASSING
from daulat.placement.choice import Chosen
from daulat.reconcile.conditions import Condition, condition

from .termination import describe_terminating


def surges(chosen: Chosen, revision: str, deployment: Child | None, pods: Sequence[Pod], coming: int = 0) -> bool:
    """Say whether a new pod comes before an old one goes. ``coming`` pods' devices are free once others of the model have ended.

    That is decided when a rollout begins, by whether there is a spare device, and taken back where another took the device
    meanwhile: the new pod would wait for ever for what the old one holds. While a pod runs where no new one may come, such as on a
    node that isn't eligible any more, none goes first: its devices are of no use to a new one.
    """
    if deployment is None:
        return False
    if not (deployment.revision == revision and complete(deployment)) and _elsewhere(chosen, pods):
        return True
    waiting = sum(not p.node for p in pods)
    room = sum(chosen.room.values()) + coming
    if deployment.revision != revision:
        return room > waiting
    if deployment.surges and not complete(deployment) and room < waiting:
        return False
    return deployment.surges


def _elsewhere(chosen: Chosen, pods: Sequence[Pod]) -> bool:
    """Say whether a pod runs on a node that isn't one of the chosen place, or is too small for a new pod."""
    return any(p.runs and (p.node not in chosen.nodes or p.node in chosen.too_small) for p in pods)


def complete(deployment: Child) -> bool:
    """Say whether every replica of a Deployment is there, is ready, and was made by its latest template."""
    counts = {deployment.replicas, deployment.updated, deployment.ready_replicas}
    return deployment.settled and counts == {deployment.wanted}


def progress(
    revision: str, made: int, updated: int, stalled: str, pods: Sequence[Pod], leaving: Sequence[Pod] = ()
) -> Condition:
    """Return whether all pods run what the model asks for now. ``made`` replicas exist, ``updated`` of them are of the revision.

    Of ``leaving`` it is known that they end, and when. What waits for their devices hasn't failed.
    """
    if made <= updated:
        former = describe_terminating([p for p in leaving if p.revision != revision])
        message = "no replica runs former settings" + (f"; {former}" if former else "")
        return condition(reasons.ROLLED_OUT, True, reasons.UP_TO_DATE, message, initial=True)
    message = f"{updated} of {made} replicas run the present settings; the others go on with the former ones"
    new = [p for p in pods if p.revision == revision and p.trouble is not None and not p.termination_deadline]
    passing = {*PASSING, *([reasons.UNSCHEDULABLE] if leaving else [])}
    worst = next((p for p in new if p.trouble and p.trouble.reason not in passing), None)
    if worst is not None and worst.trouble:
        why = f"{message}. Pod {worst.name}: {worst.trouble.message}"
        return condition(reasons.ROLLED_OUT, False, reasons.ROLLOUT_FAILED, why)
    if leaving:
        return condition(reasons.ROLLED_OUT, False, reasons.ROLLING_OUT, f"{message}. {describe_terminating(leaving)}")
    if stalled:
        return condition(reasons.ROLLED_OUT, False, reasons.ROLLOUT_FAILED, f"{message}. {stalled}")
    return condition(reasons.ROLLED_OUT, False, reasons.ROLLING_OUT, message)
