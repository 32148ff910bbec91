"""Tells who has the devices that a model waits for: pods that hold them, and placed models whose pods aren't on a node yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daulat.facts.node import Node
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref

from .capacity import DeviceAccounting
from .dra import Asked, Claimed, open_to
from .reservations import reservations

NAMED = 3
"""How many holders a sentence names; the others are counted."""


@dataclass(frozen=True)
class Holder:
    """Who has devices: a model, by all its pods, or a pod that no model made."""

    kind: str
    namespace: str
    name: str
    count: int
    promised: bool = False
    """Whether they are kept for replicas that aren't on a node yet."""
    ending: int = 0
    """How many of them are held by pods that somebody has deleted."""
    termination_deadline: str = ""
    """When the last of those pods has to have ended."""

    def __str__(self) -> str:
        told = f"{self.count} {'promised to' if self.promised else 'by'} {self.kind} {self.namespace}/{self.name}"
        if not self.ending:
            return told
        some = "" if self.ending == self.count else f"{self.ending} of them "
        return f"{told} ({some}until {self.termination_deadline} at the latest: {self._is_ending})"

    @property
    def _is_ending(self) -> str:
        return "it is ending" if self.kind == "pod" else "what has them is ending"


@dataclass(frozen=True)
class Holdings:
    """The devices of one name on some nodes: how many there are, how many are free, who has the others, largest first."""

    resource: Asked
    offered: int
    free: int
    holders: tuple[Holder, ...]

    def __str__(self) -> str:
        told = f"{self.offered - self.free} of {self.offered} {self.resource} are held"
        named = [str(h) for h in self.holders[:NAMED]]
        if others := self.holders[NAMED:]:
            named.append(f"{sum(h.count for h in others)} by {len(others)} other{'s' if len(others) > 1 else ''}")
        return f"{told}: {', '.join(named)}" if named else told


def holdings(
    nodes: Iterable[Node], resource: Asked, accounting: DeviceAccounting, snapshot: Snapshot, model: Ref
) -> Holdings:
    """Return who has the devices on the nodes, as the model sees it: its own pods don't stand in its way."""
    on = list(nodes)
    offered = sum(accounting.total(node, resource) for node in on)
    free = sum(min(max(accounting.free(node, resource), 0), accounting.total(node, resource)) for node in on)
    found: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for node in on:
        if isinstance(resource, Claimed):
            for allocation in accounting.devices.held_by_others(node, resource):
                by = (_gone_by(Ref("Pod", allocation.namespace, name), snapshot) for name in allocation.pods)
                found.setdefault(allocation.holder, []).append((1, max(by, default="")))
            continue
        for pod in snapshot.pods_by_node.get(node.name, ()):
            # A quantity that nobody can read counts as more than there is.
            count = min(pod.devices.get(resource, 0), node.devices.get(resource, 0))
            if count and (pod.namespace, pod.model) != (model.namespace, model.name):
                found.setdefault(_whose(pod), []).append((count, pod.termination_deadline))
    held = [_holder(whose, parts) for whose, parts in found.items()]
    promised = list(_promised(on, resource, free, accounting, snapshot, model))
    free -= sum(h.count for h in promised)
    return Holdings(resource, offered, free, tuple(sorted([*held, *promised], key=_largest_first)))


def _holder(whose: tuple[str, str, str], parts: Sequence[tuple[int, str]]) -> Holder:
    ending = [(count, by) for count, by in parts if by]
    last = max((by for _, by in ending), default="")
    return Holder(*whose, sum(c for c, _ in parts), ending=sum(c for c, _ in ending), termination_deadline=last)


def _gone_by(ref: Ref, snapshot: Snapshot) -> str:
    pod = snapshot.pods.get(ref)
    return pod.termination_deadline if pod is not None else ""


def _whose(pod: Pod) -> tuple[str, str, str]:
    return ("model" if pod.model else "pod", pod.namespace, pod.model or pod.name)


def _promised(
    nodes: Sequence[Node], resource: Asked, free: int, accounting: DeviceAccounting, snapshot: Snapshot, model: Ref
) -> Iterable[Holder]:
    """Share what isn't held among the models that it is kept for, as far as their replicas find room on the nodes at all."""
    names = {node.name for node in nodes}
    for ref, claim in sorted(reservations(snapshot), key=lambda item: item[0]):
        if free <= 0 or ref == model or claim.resource != resource or claim.nodes.isdisjoint(names):
            continue
        theirs = [node for node in nodes if node.name in claim.nodes and open_to(node, resource)]
        coming = min(claim.waiting, accounting.offered(theirs, resource, claim.count))
        if count := min(coming * claim.count, free):
            free -= count
            yield Holder("model", ref.namespace, ref.name, count, promised=True)


def _largest_first(holder: Holder) -> tuple[int, str, str, str, bool]:
    return (-holder.count, holder.kind, holder.namespace, holder.name, holder.promised)
