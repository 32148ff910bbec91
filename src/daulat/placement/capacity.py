"""Counts free devices: what nodes offer, less what pods hold and what placed models are about to take.

Nobody knows on which of its nodes the scheduler will put a pod that waits. So a place is given away only where it is left
whatever the scheduler does: each replica that waits counts as if it took the device that hurts most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from daulat.facts.node import Node
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref

from .dra import Asked, Claimed, DeviceClaims, open_to
from .reservations import Reservation, reservations

_NOTHING: Mapping[str, int] = {}


class Fit(Enum):
    """Whether replicas find their devices."""

    YES = "for any decision of the scheduler on the pods that wait"
    DEPENDS = "it depends on where the scheduler puts pods that wait"
    NO = "for no decision of the scheduler"


@dataclass
class _Group:
    """The replicas that wait for the same devices on the same nodes: how many, by how many devices each takes."""

    nodes: frozenset[str]
    waiting: Counter[int]


class DeviceAccounting:
    """Free devices by node and resource as one model sees them: its own pods don't stand in its way."""

    def __init__(self, snapshot: Snapshot, model: Ref, reserved: Iterable[Reservation] | None = None) -> None:
        """Take who it is for, and what others are about to take; left out, what all other placed models are."""
        if reserved is None:
            reserved = (claim for ref, claim in reservations(snapshot) if ref != model)
        self._snapshot = snapshot
        self.devices = DeviceClaims(snapshot, model)
        self._own: Counter[tuple[str, str]] = Counter()
        for pod in snapshot.pods_by_model.get((model.namespace, model.name), ()):
            for name, count in pod.devices.items() if pod.node else ():
                self._own[pod.node, name] += count
        groups: dict[tuple[Asked, frozenset[str]], _Group] = {}
        for claim in reserved:
            group = groups.setdefault((claim.resource, claim.nodes), _Group(claim.nodes, Counter()))
            group.waiting[claim.count] += claim.waiting
        self._groups: dict[Asked, list[_Group]] = {}
        for (resource, _), group in groups.items():
            self._groups.setdefault(resource, []).append(self._that_can_come(group, resource))

    def free(self, node: Node, resource: Asked) -> int:
        """Return the devices of that name that the node still has for the model, whatever may be promised to others."""
        if isinstance(resource, Claimed):
            return self.devices.free(node, resource)
        held = self._snapshot.held.get(node.name, _NOTHING).get(resource, 0)
        return node.devices.get(resource, 0) - held + self._own[node.name, resource]

    def total(self, node: Node, resource: Asked) -> int:
        """Return the devices of that name that the node has, whoever holds them."""
        return self.devices.total(node, resource) if isinstance(resource, Claimed) else node.devices.get(resource, 0)

    def own(self, node: Node, resource: Asked) -> int:
        """Return the devices of that name that the model's own pods hold on the node."""
        return self.devices.own(node, resource) if isinstance(resource, Claimed) else self._own[node.name, resource]

    def slots(self, nodes: Iterable[Node], resource: Asked, count: int) -> int:
        """Return how many replicas of ``count`` devices the nodes have room for, each on one node, and nobody else does."""
        where = list(nodes)
        sure = self.offered(where, resource, count) - self._load(_names(where), resource, count)
        return max(sure, 0)

    def claimed(self, nodes: Iterable[Node], resource: Asked, count: int) -> int:
        """Return how many places of ``count`` devices on the nodes others may take who wait, at most."""
        return self._load(_names(nodes), resource, count)

    def room(
        self, nodes: Iterable[Node], resource: Asked, count: int, replicas: int, *, ignore_waiting: bool = False
    ) -> Fit:
        """Say whether the nodes have room for so many replicas, and for all that was promised before as well.

        With ``ignore_waiting`` only the replicas themselves are looked at, for when others have had long enough to come.
        """
        if not replicas:
            return Fit.YES
        where = list(nodes)
        names = _names(where)
        offered = self.offered(where, resource, count)
        if offered - self._load(names, resource, count) >= replicas:
            if ignore_waiting or all(self._stays(g, resource, count, replicas) for g in self._near(names, resource)):
                return Fit.YES
            return Fit.DEPENDS
        return Fit.DEPENDS if offered - self._least(where, names, resource, count) >= replicas else Fit.NO

    def crowded(self) -> bool:
        """Say whether more was promised than is left, as after others took devices or nodes went."""
        return any(
            self.offered(self._open(group, resource), resource, count) < self._load(group.nodes, resource, count)
            for resource, groups in self._groups.items()
            for group in groups
            for count in group.waiting
        )

    def _that_can_come(self, group: _Group, resource: Asked) -> _Group:
        """Leave out replicas for which there's no room at all: they hold nothing up."""
        nodes = self._open(group, resource)
        capped = {c: min(n, self.offered(nodes, resource, c)) for c, n in group.waiting.items()}
        return _Group(group.nodes, Counter({c: n for c, n in capped.items() if n}))

    def _open(self, group: _Group, resource: Asked) -> list[Node]:
        found = (self._snapshot.nodes.get(name) for name in group.nodes)
        return [node for node in found if isinstance(node, Node) and open_to(node, resource)]

    def offered(self, nodes: Iterable[Node], resource: Asked, count: int) -> int:
        """Return how many pods of ``count`` devices find room if nobody else comes."""
        return sum(max(self.free(node, resource), 0) // count for node in nodes)

    def _near(self, names: frozenset[str], resource: Asked) -> Iterator[_Group]:
        return (group for group in self._groups.get(resource, ()) if not group.nodes.isdisjoint(names))

    def _load(self, names: frozenset[str], resource: Asked, count: int) -> int:
        """Return how many places of ``count`` devices those who wait may take at most: each one as many as it can touch."""
        return sum(
            waiting * _most(theirs, count)
            for group in self._near(names, resource)
            for theirs, waiting in group.waiting.items()
        )

    def _stays(self, group: _Group, resource: Asked, count: int, replicas: int) -> bool:
        """Say whether all that wait in the group keep their places, whatever these replicas take."""
        nodes = self._open(group, resource)
        return all(
            self.offered(nodes, resource, theirs)
            >= self._load(group.nodes, resource, theirs) + replicas * _most(count, theirs)
            for theirs in group.waiting
        )

    def _least(self, nodes: list[Node], names: frozenset[str], resource: Asked, count: int) -> int:
        """Return how many places of ``count`` devices those who wait take at least: they fill the remainders first."""
        total = sum(
            theirs * waiting
            for group in self._groups.get(resource, ())
            if group.nodes <= names
            for theirs, waiting in group.waiting.items()
        )
        spare = sum(max(self.free(node, resource), 0) % count for node in nodes)
        return _most(total - spare, count) if total > spare else 0


def _names(nodes: Iterable[Node]) -> frozenset[str]:
    return frozenset(node.name for node in nodes)


def _most(devices: int, count: int) -> int:
    """Return how many places of ``count`` devices so many devices of one node can spoil at most."""
    return -(-devices // count)
