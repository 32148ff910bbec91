"""Keeps a record of what a model has run, as ``kubectl rollout history`` does for a Deployment."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api import reasons
from daulat.api.model import GRACE_SECONDS, Revision
from daulat.api.timestamps import stamp
from daulat.facts.snapshot import Model
from daulat.placement.choice import Chosen
from daulat.reconcile.conditions import Condition
from daulat.workload.manifests import summary

from .decision import Verdict

ARGUMENTS = 160
"""Characters of the arguments that an entry holds."""

KEPT = 10
"""Entries, as many as a Deployment keeps of its own."""


def history(model: Model, verdict: Verdict, conditions: Sequence[Condition], now: float) -> tuple[Revision, ...]:
    """Return the entries, the latest last. One is added where the pods' template changes, and finished once all pods have it."""
    before = model.status.history or ()
    chosen = verdict.decision.chosen if verdict.decision is not None else None
    if verdict.rolling is None or chosen is None:
        return before
    at = stamp(now)
    revision = verdict.rolling.revision
    if not before or before[-1].template != revision:
        same = next((e for e in reversed(before) if e.template == revision), None)
        entry = Revision(
            revision=before[-1].revision + 1 if before else 1,
            template=revision,
            generation=model.generation,
            started_at=at,
            rollback_to=same.revision if same is not None else None,
            summary=_told(model, chosen, before),
        )
        before = (*before, entry)
    done = {c.type for c in conditions if c.status == "True"} >= {reasons.WORKLOAD_READY, reasons.ROLLED_OUT}
    if done and not before[-1].finished_at:
        before = (*before[:-1], before[-1].model_copy(update={"finished_at": at}))
    return before[-KEPT:]


def _told(model: Model, chosen: Chosen, before: Sequence[Revision]) -> str:
    """Return what runs where, and the settings by which revisions mostly differ; never the same sentence twice in a row."""
    engine, spec = model.spec.engine, model.spec
    words = [*engine.args, *chosen.choice.args]
    arguments = " ".join(words)
    found = [
        f"context {engine.context}" if engine.context else "",
        f"concurrency {engine.concurrency}" if engine.concurrency else "",
        f"arguments {arguments[:ARGUMENTS]}{'...' if len(arguments) > ARGUMENTS else ''}" if words else "",
        f"variables {', '.join(sorted(chosen.choice.env))}" if chosen.choice.env else "",
        f"grace period {engine.grace_period}" if engine.grace_seconds != GRACE_SECONDS else "",
        f"priority {spec.priority_class_name}" if spec.priority_class_name else "",
    ]
    told = ", ".join([summary(model, chosen), *(part for part in found if part)])
    if before and before[-1].summary == told:
        return f"{told}, with other settings than revision {before[-1].revision}"
    return told
