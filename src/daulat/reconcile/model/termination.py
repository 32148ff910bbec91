"""Tells which pods are on their way out: they go on with the requests that they have, and hold their devices until they have ended.

How long that may take is the pod's own word, unless a policy is against it.
"""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.counted import few
from daulat.api.kinds import Manifest
from daulat.api.timestamps import seconds
from daulat.facts.child import Child
from daulat.facts.node import Node
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.placement.choice import Chosen
from daulat.reconcile.result import Delete
from daulat.workload.container import DEFAULT_TERMINATION_GRACE


def terminating(pods: Sequence[Pod], snapshot: Snapshot, now: float) -> tuple[Pod, ...]:
    """Return the pods on nodes that somebody has deleted and that have time left to end.

    Not those that are late, or whose node is lost: nobody knows when they will have ended.
    """
    return tuple(
        p for p in pods if p.termination_deadline and seconds(p.termination_deadline) > now and _answers(p, snapshot)
    )


def describe_terminating(pods: Sequence[Pod]) -> str:
    """Return what such pods do, and until when; empty where there are none."""
    if not pods:
        return ""
    last = max(pods, key=lambda p: (p.termination_deadline, p.name))
    goes, holds = ("go", "hold their") if len(pods) > 1 else ("goes", "holds its")
    until = last.termination_deadline
    named = few([last.name], 1, total=len(pods))
    return f"pod {named} {goes} on with earlier requests and {holds} devices, until {until} at the latest"


def left(pods: Sequence[Pod], now: float) -> float | None:
    """Return in how many seconds the first of them has to have ended; None where there are none."""
    return min((seconds(p.termination_deadline) - now + 1 for p in pods), default=None)


def gives_back(pods: Sequence[Pod], chosen: Chosen, snapshot: Snapshot) -> int:
    """Return for how many new pods the devices are that such pods give back, where new ones may come."""
    return sum(_asks_alike(p, chosen) and p.node in chosen.nodes and _takes_pods(p, snapshot) for p in pods)


def evict_now(pods: Sequence[Pod], made: Sequence[Child]) -> list[Delete]:
    """Return the end of pods that a policy is against, for those that would take long over it.

    It has to come before anybody else's: once a kubelet has begun to wait it can't be hurried (SyncTerminatingPod in Kubernetes
    1.37, kubelet.go, passes no cancellation on). A LeaderWorkerSet would make its pods anew, so it is left to end them itself.
    """
    theirs = {c.group for c in made if c.ref.kind == "LeaderWorkerSet"}
    slow = [
        p
        for p in pods
        if not p.termination_deadline and p.grace > DEFAULT_TERMINATION_GRACE and not (p.group and p.group in theirs)
    ]
    return [Delete(Ref("Pod", p.namespace, p.name), p.uid, DEFAULT_TERMINATION_GRACE) for p in slow]


def with_pod_owners(manifest: Manifest, pods: Sequence[Pod]) -> Manifest:
    """Return the object as one that is deleted only when these pods have ended, too, if they may take long over it.

    They own it beside the model: the garbage collector removes what has no owner left, whether or not an operator runs.
    """
    slow = sorted((p for p in pods if p.grace > DEFAULT_TERMINATION_GRACE and p.uid), key=lambda p: p.name)
    theirs = [{"apiVersion": "v1", "kind": "Pod", "name": p.name, "uid": p.uid} for p in slow]
    meta = manifest["metadata"]
    return {**manifest, "metadata": {**meta, "ownerReferences": [*meta["ownerReferences"], *theirs]}}


def ends_together(child: Child, pods: Sequence[Pod]) -> bool:
    """Say whether all pods of a group are to end at the same time.

    A LeaderWorkerSet's go after its leader has ended, which is right where they don't wait by themselves; where they do, they
    would hold their devices for twice as long.
    """
    if child.ref.kind != "LeaderWorkerSet":
        return False
    own = [p for p in pods if p.group == child.group]
    return bool(own) and all(p.grace > DEFAULT_TERMINATION_GRACE for p in own)


def _answers(pod: Pod, snapshot: Snapshot) -> bool:
    node = snapshot.nodes.get(pod.node)
    return isinstance(node, Node) and node.ready


def _takes_pods(pod: Pod, snapshot: Snapshot) -> bool:
    node = snapshot.nodes.get(pod.node)
    return isinstance(node, Node) and node.schedulable


def _asks_alike(pod: Pod, chosen: Chosen) -> bool:
    if chosen.claim is not None:
        return bool(pod.claim_templates)
    return pod.devices.get(chosen.resource, 0) >= chosen.devices.per_node
