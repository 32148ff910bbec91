"""Clusters for the summary, with statuses as the operator writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from daulat.api.kinds import KINDS
from daulat.facts.definition import Definition
from daulat.status.examine import examine
from daulat.status.facts import Facts, Lease
from daulat.status.view import View
from tests.unit.world import Raw, World, model

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC).timestamp()
"""Seconds since the epoch."""
LEADING = Lease("pod-1", NOW - 3)
CURRENT = {kind.kind: Definition("uid") for kind in KINDS}


def ago(seconds: float) -> str:
    """Return the time so long before NOW as the API server writes it."""
    return datetime.fromtimestamp(NOW - seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def told(*conditions: tuple[str, str, str, str], since: float = 60, **fields: Any) -> Raw:
    """Return a status with conditions by type, status, reason and message."""
    written = [
        {"type": t, "status": s, "reason": r, "message": m, "lastTransitionTime": ago(since), "observedGeneration": 1}
        for t, s, r, m in conditions
    ]
    return {"observedGeneration": 1, "conditions": written, **fields}


def ready(reason: str = "ReplicasReady", message: str = "") -> tuple[str, str, str, str]:
    """Return the condition Ready that is True."""
    return ("Ready", "True", reason, message)


def broken(reason: str, message: str = "why") -> tuple[str, str, str, str]:
    """Return the condition Ready that is False."""
    return ("Ready", "False", reason, message)


def with_status(raw: Raw, status: Raw) -> Raw:
    """Return the object with this status."""
    return {**raw, "status": status}


def serving(name: str = "deepseek", namespace: str = "treasury") -> Raw:
    """Return a model that is ready."""
    placement = {"zone": "cyberjaya-1", "accelerator": "huawei-ascend-910b"}
    return model(name, namespace, told(ready(), readyReplicas=1, placement=placement))


def fine() -> World:
    """Return a cluster in which everything is as it should be."""
    world = World(models=[serving()])
    conditions = [(t, "True", "R", "") for t in ("Ready", "Enforced", "Compiled", "Upheld")]
    proved = told(*conditions, namespaces=1, governedNamespaces=["treasury"], eligibleNodes=3)
    world.policies = [with_status(p, proved) for p in world.policies]
    world.zones = [with_status(z, told(ready("NodesCertified"), nodes=3, devices=24)) for z in world.zones]
    return world


def facts(world: World, unread: Mapping[str, str] | None = None, **more: Any) -> Facts:
    """Return what was read of a cluster whose operator leads."""
    given: dict[str, Any] = {"version": "v1.37.2", "lease": LEADING, "definitions": CURRENT, **more}
    return Facts(world.snapshot(), NOW, unread=unread or {}, **given)


def view(world: World, unread: Mapping[str, str] | None = None, **more: Any) -> View:
    """Return the summary of a cluster whose operator leads."""
    return examine(facts(world, unread, **more))
