"""Tells what placed models are about to take: the replicas that aren't on a node yet, and where they may come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.model import SovereignModelSpec
from daulat.facts.change import Change
from daulat.facts.declared import Declared
from daulat.facts.derived import DerivedFact
from daulat.facts.node import Node
from daulat.facts.pod import ALL, Pod
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.kube.ref import Ref

from .candidates import nodes_in_zone
from .current_placement import CurrentPlacement, placement_of
from .dra import Asked, claimed


@dataclass(frozen=True)
class Reservation:
    """Pods of a placed model that aren't on a node yet."""

    resource: Asked
    count: int
    """The devices of each."""
    waiting: int
    nodes: frozenset[str]
    """Where the scheduler may put them."""


class Reservations(DerivedFact):
    """The claim of every placed model, kept as long as the model, its pods and the nodes where they may come are the same."""

    depends_on = frozenset({"SovereignModel"})

    def __init__(self) -> None:
        self._kept: dict[Ref, tuple[tuple[Any, ...], Reservation | None]] = {}

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Drop the model."""
        self._kept.pop(change.ref, None)
        return True

    def of_model(self, ref: Ref, model: Model, eligible: _EligibleNodes, snapshot: Snapshot) -> Reservation | None:
        """Return the model's claim, by what was decided last, written or not."""
        status = snapshot.latest_status(ref, model)
        where = placement_of(status)
        if where is None:
            return None
        profile = snapshot.known_profiles.get(where.accelerator)
        # A DeviceClass has no slash in its name, and an extended resource always has one.
        asked: Asked | None = where.resource if "/" in where.resource else claimed(profile) if profile else None
        if profile is None or asked is None:
            return None
        nodes = eligible.of(ref.namespace, where, profile, asked)
        pods = snapshot.pods_by_model.get((ref.namespace, ref.name), ())
        facts = (model.spec, status, pods, nodes)
        known = self._kept.get(ref)
        if known is None or any(a is not b for a, b in zip(known[0], facts, strict=True)):
            known = self._kept[ref] = facts, _claim(model.spec, where, asked, pods, nodes)
        return known[1]


def reservations(snapshot: Snapshot) -> Iterator[tuple[Ref, Reservation]]:
    """Return the claims of all placed models, by what was decided last, written or not."""
    kept, eligible = Reservations.of(snapshot), _EligibleNodes(snapshot)
    for ref, model in snapshot.models.items():
        if not isinstance(model, Declared) or model.deleting:
            continue
        if (found := kept.of_model(ref, model, eligible, snapshot)) is not None:
            yield ref, found


class _EligibleNodes:
    """The nodes where models may be, looked up once for all models of a namespace that were placed alike."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._governing: dict[str, list[Policy]] = {}
        self._found: dict[tuple[str, str, str, str], tuple[Node, ...]] = {}

    def of(
        self, namespace: str, where: CurrentPlacement, profile: AcceleratorProfileSpec, asked: Asked
    ) -> tuple[Node, ...]:
        """Return the nodes of the zone that have the devices and are eligible under every policy of the namespace."""
        key = (namespace, where.zone, where.accelerator, where.resource)
        if key not in self._found:
            if namespace not in self._governing:
                self._governing[namespace] = self._snapshot.governing(namespace)
            policies = self._governing[namespace]
            self._found[key] = nodes_in_zone(where.zone, profile, asked, policies, self._snapshot)
        return self._found[key]


def _claim(
    spec: SovereignModelSpec, where: CurrentPlacement, asked: Asked, pods: Sequence[Pod], nodes: Sequence[Node]
) -> Reservation | None:
    spread, count = _pods(spec, where)
    names = frozenset(node.name for node in nodes)
    if not count or not names:
        return None
    # Pods that are still where the model was before hold nothing of what it is about to take.
    there = sum(pod.node in names and _asks(pod, asked) >= count for pod in pods)
    # While replicas are replaced there may be more of them than asked for.
    coming = sum(not pod.node and _asks(pod, asked) > 0 for pod in pods)
    waiting = max(spec.replicas * spread - there, coming)
    return Reservation(asked, count, waiting, names) if waiting > 0 else None


def _asks(pod: Pod, asked: Asked) -> int:
    """Return how many such devices the pod takes. How many its claims are for stands in their template, not in the pod."""
    if isinstance(asked, str):
        return pod.devices.get(asked, 0)
    return ALL if pod.claim_templates else 0


def _pods(spec: SovereignModelSpec, where: CurrentPlacement) -> tuple[int, int]:
    """Return how many pods a replica has, and how many devices each of them; 0 devices where nobody knows."""
    choice = next((a for a in spec.accelerators if a.profile == where.accelerator), None)
    if choice is None:
        return 0, 0
    spread = where.spread or choice.nodes or 1
    return spread, (choice.count or where.devices) // spread
