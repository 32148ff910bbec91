"""Tells what placed models are about to take: the replicas that aren't on a node yet, and where they may come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daulat.api.model import SovereignModelSpec
from daulat.facts.declared import Declared
from daulat.facts.node import Node
from daulat.facts.pod import ALL, Pod
from daulat.facts.snapshot import Policy, Snapshot
from daulat.kube.ref import Ref

from .dra import Asked, claimed
from .eligibility import nodes_with
from .standing import Standing, standing_by

_CLAIMS = "claims"
_FORGOTTEN = 2
"""How many times as many claims as models are kept: what is worked out for models that are gone goes in time."""


@dataclass(frozen=True)
class Claim:
    """Pods of a placed model that aren't on a node yet."""

    resource: Asked
    count: int
    """The devices of each."""
    waiting: int
    nodes: frozenset[str]
    """Where the scheduler may put them."""


def claims(snapshot: Snapshot) -> Iterator[tuple[Ref, Claim]]:
    """Return the claims of all placed models, by what was decided last, written or not."""
    # Most models are as they were at the last pass, so nothing is worked out anew but for those that aren't.
    kept: dict[Ref, tuple[tuple[Any, ...], Claim | None]] = snapshot.memo.setdefault(_CLAIMS, {})
    if len(kept) > _FORGOTTEN * len(snapshot.models) + 1:
        kept.clear()
    governing: dict[str, list[Policy]] = {}
    for ref, model in snapshot.models.items():
        if not isinstance(model, Declared) or model.deleting:
            continue
        if ref.namespace not in governing:
            governing[ref.namespace] = snapshot.governing(ref.namespace)
        policies = governing[ref.namespace]
        status = snapshot.promises.get(ref, model.status)
        pods = snapshot.pods_by_model.get((ref.namespace, ref.name), ())
        known = kept.get(ref)
        if known is None or not _same(known[0], (model, status, pods, policies)):
            known = (model, status, pods, policies), _claim(model.spec, status, pods, policies, snapshot)
            kept[ref] = known
        if known[1] is not None:
            yield ref, known[1]


def _same(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    *facts, policies = zip(before, now, strict=True)
    return all(a is b for a, b in facts) and policies[0] == policies[1]


def _claim(
    spec: SovereignModelSpec,
    status: Mapping[str, Any],
    pods: Sequence[Pod],
    policies: Sequence[Policy],
    snapshot: Snapshot,
) -> Claim | None:
    where = standing_by(status)
    spread, count = _pods(spec, where) if where is not None else (0, 0)
    profile = snapshot.known_profiles.get(where.accelerator) if where is not None else None
    if where is None or profile is None or not count:
        return None
    # A DeviceClass has no slash in its name, and an extended resource always has one.
    asked: Asked | None = where.resource if "/" in where.resource else claimed(profile)
    if asked is None:
        return None
    nodes = nodes_with(profile, asked, policies, snapshot).get(where.zone, ())
    names = frozenset(node.name for node in nodes if isinstance(node, Node))
    # Pods that are still where the model was before hold nothing of what it is about to take.
    there = sum(pod.node in names and _asks(pod, asked) >= count for pod in pods)
    # While replicas are replaced there may be more of them than asked for.
    coming = sum(not pod.node and _asks(pod, asked) > 0 for pod in pods)
    waiting = max(spec.replicas * spread - there, coming)
    return Claim(asked, count, waiting, names) if waiting > 0 and names else None


def _asks(pod: Pod, asked: Asked) -> int:
    """Return how many such devices the pod takes. How many its claims are for stands in their template, not in the pod."""
    if isinstance(asked, str):
        return pod.devices.get(asked, 0)
    return ALL if pod.claim_templates else 0


def _pods(spec: SovereignModelSpec, where: Standing) -> tuple[int, int]:
    """Return how many pods a replica has, and how many devices each of them; 0 devices where nobody knows."""
    choice = next((a for a in spec.accelerators if a.profile == where.accelerator), None)
    if choice is None:
        return 0, 0
    spread = where.spread or choice.nodes or 1
    return spread, (choice.count or where.devices) // spread
