"""Certifies a node: writes its labels of record."""

from __future__ import annotations

from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.placement.certify import certify
from daulat.reconcile.result import LabelNode, Outcome


def reconcile_node(ref: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return the labels to change. A node that can't be read keeps what it has; new pods are kept away by placement."""
    node = snapshot.nodes.get(ref.name)
    if not isinstance(node, Node):
        return Outcome()
    labels = certify(node, snapshot)
    return Outcome((LabelNode(node.name, labels),)) if labels else Outcome()
