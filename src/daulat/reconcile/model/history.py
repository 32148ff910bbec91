"""Keeps a record of what a model has run, as ``kubectl rollout history`` does for a Deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daulat.api import reasons
from daulat.facts.snapshot import Model
from daulat.reconcile.conditions import Condition
from daulat.reconcile.timestamps import stamp
from daulat.workload.manifests import summary

from .decision import Verdict

KEPT = 10
"""Entries, as many as a Deployment keeps of its own."""


def history(model: Model, verdict: Verdict, conditions: Sequence[Condition], now: float) -> list[dict[str, Any]] | None:
    """Return the entries, the latest last. One is added where the pods' template changes, and finished once all pods have it."""
    before: list[dict[str, Any]] = list(model.status.get("history") or ())
    chosen = verdict.decision.chosen if verdict.decision is not None else None
    if verdict.rolling is None or chosen is None:
        return before or None
    at = stamp(now)
    revision = verdict.rolling.revision
    if not before or before[-1].get("template") != revision:
        number = int(before[-1].get("revision") or 0) + 1 if before else 1
        same = next((e for e in reversed(before) if e.get("template") == revision), None)
        entry = {"revision": number, "template": revision, "generation": model.generation, "startedAt": at}
        entry |= {"rollbackTo": same["revision"]} if same is not None else {}
        before = [*before, entry | {"summary": summary(model, chosen)}]
    done = {c.type for c in conditions if c.status == "True"} >= {reasons.WORKLOAD_READY, reasons.ROLLED_OUT}
    if done and not before[-1].get("finishedAt"):
        before = [*before[:-1], before[-1] | {"finishedAt": at}]
    return before[-KEPT:]
