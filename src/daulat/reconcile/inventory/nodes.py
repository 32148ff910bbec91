"""Certifies a node: writes its labels of record, and the taint of nodes that are undecided."""

from __future__ import annotations

from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.placement.certify import certify
from daulat.reconcile.result import PatchNode, Result


def reconcile_node(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return the labels and the taint to change. A node that can't be read keeps what it has; placement sends nothing new there."""
    node = snapshot.nodes.get(ref.name)
    if not isinstance(node, Node):
        return Result()
    record = certify(node, snapshot)
    return Result(apply=(PatchNode(node.name, node.uid, record.labels, record.taint),)) if record else Result()
