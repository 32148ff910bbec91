"""Tells the one thing that keeps a placed model's pods from serving: the worst of what the pods and their nodes say."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api import reasons
from daulat.facts.node import Node
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Snapshot
from daulat.facts.trouble import PASSING, Trouble

_QUOTA = ("exceeded quota: ", "failed quota: ")
"""How the API server's quota begins its answers (k8s.io/apiserver 0.37, plugin/resourcequota/controller.go)."""


def blocker(model: Model, snapshot: Snapshot, leaving: Sequence[Pod] = ()) -> Trouble | None:
    """Return what keeps the model's pods from serving, with the name of one of them, or None where nobody can tell.

    Those that are ``leaving`` on time aren't to serve, so nothing that they say of themselves is trouble.
    """
    found = [
        (pod.name, trouble)
        for pod in snapshot.pods_by_model.get((model.namespace, model.name), ())
        if pod not in leaving and (trouble := _of_node(pod, snapshot) or pod.trouble)
    ]
    if not found:
        return None
    # What every pod goes through is no trouble beside a real one. Of several, the first by name: always the same one.
    name, worst = min(found, key=lambda item: (item[1].reason in PASSING, item[0]))
    return Trouble(worst.reason, f"pod {name}: {worst.message}")


def refused_by(answer: str) -> str:
    """Return the reason for which the API server refused part of a workload, by its answer."""
    return reasons.QUOTA_EXCEEDED if any(word in answer for word in _QUOTA) else reasons.APPLY_FAILED


def _of_node(pod: Pod, snapshot: Snapshot) -> Trouble | None:
    """Read the node first: of a node that is lost the pods go on saying what was so before."""
    if not pod.node:
        return None
    node = snapshot.nodes.get(pod.node)
    if node is None:
        return Trouble(reasons.NODE_NOT_READY, f"its node {pod.node} is gone")
    if isinstance(node, Node) and not node.ready:
        return Trouble(reasons.NODE_NOT_READY, f"its node {pod.node} isn't ready, so its state is unknown")
    return None
