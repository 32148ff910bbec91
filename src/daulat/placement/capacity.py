"""Counts free devices: what nodes offer, less what pods hold and what placed models are about to take."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.api.model import SovereignModelSpec
from daulat.facts.node import Node
from daulat.facts.ref import Ref
from daulat.facts.snapshot import Snapshot

from .standing import Standing, standing


class Ledger:
    """Free devices by node and resource as one model sees them: its own pods don't stand in its way."""

    def __init__(self, snapshot: Snapshot, model: Ref) -> None:
        self._snapshot = snapshot
        self._model = model
        self._taken: dict[tuple[str, str], int] = {}
        for ref, other in snapshot.known_models.items():
            if ref != model and not other.deleting and (where := standing(other)):
                self._reserve(ref, other.spec, where)

    def free(self, node: Node, resource: str) -> int:
        """Return the devices of that name that the node still has for the model."""
        held = sum(
            pod.devices.get(resource, 0)
            for pod in self._snapshot.pods_by_node.get(node.name, ())
            if (pod.namespace, pod.model) != (self._model.namespace, self._model.name)
        )
        return node.devices.get(resource, 0) - held - self._taken.get((node.name, resource), 0)

    def slots(self, nodes: Iterable[Node], resource: str, count: int) -> int:
        """Return how many replicas of ``count`` devices the nodes have room for, each on one node."""
        return sum(max(self.free(node, resource), 0) // count for node in nodes)

    def _reserve(self, ref: Ref, spec: SovereignModelSpec, where: Standing) -> None:
        """Hold devices for the replicas of another placed model whose pods aren't on a node yet."""
        choice = next((a for a in spec.accelerators if a.profile == where.accelerator), None)
        if choice is None:
            return
        nodes = where.spread or choice.nodes or 1
        count = (choice.count or where.devices) // nodes
        if not count:
            return
        bound = sum(bool(p.node) for p in self._snapshot.pods_by_model.get((ref.namespace, ref.name), ()))
        waiting = spec.replicas * nodes - bound
        for name in where.nodes:
            node = self._snapshot.nodes.get(name)
            while waiting > 0 and isinstance(node, Node) and self.free(node, where.resource) >= count:
                key = (name, where.resource)
                self._taken[key] = self._taken.get(key, 0) + count
                waiting -= 1
