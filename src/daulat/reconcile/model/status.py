"""What is said of a model: conditions, fields of the status, and the word for people. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from daulat.api import reasons
from daulat.api.counted import either
from daulat.api.model import (
    GoverningPolicy,
    Placement,
    Rejected,
    SizingStatus,
    SovereignModelStatus,
    WeightsStatus,
)
from daulat.facts.child import Child
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Policy
from daulat.facts.trouble import Trouble
from daulat.placement.choice import SAMPLE
from daulat.placement.survey import Group
from daulat.reconcile.conditions import Condition, condition
from daulat.workload.labels import answering
from daulat.workload.network import url

from .blockers import refused_by
from .decision import Verdict
from .groups import existing
from .history import history
from .rollout import progress
from .termination import describe_terminating


@dataclass(frozen=True)
class Serving:
    """A model with what is there of it, and what was decided."""

    model: Model
    verdict: Verdict
    made: Sequence[Child]
    pods: Sequence[Pod]
    obstacle: str | None
    """What the API server refused."""
    differs: bool
    """Whether everything was applied, and an object isn't so all the same."""
    blocked_by: Trouble | None
    """What keeps its pods from serving."""
    leaving: Sequence[Pod] = ()
    """Its pods that are on their way out, and have time left for that."""
    on_ineligible: str = ""
    """Which pods are on nodes that aren't eligible any more, in words."""
    not_deleted: Sequence[str] = ()
    """Why what must not run of it couldn't be deleted."""

    @cached_property
    def deployment(self) -> Child | None:
        """The Deployment, where there is one."""
        return next((c for c in self.made if c.ref.kind == "Deployment" and not c.deleting), None)

    @property
    def revision(self) -> str:
        """The revision that all pods are to have; empty where the model doesn't run."""
        return self.verdict.rolling.revision if self.verdict.rolling is not None else ""

    @cached_property
    def replicas(self) -> tuple[int, int, int]:
        """How many replicas there are, how many are ready, and how many run the present settings."""
        groups = existing(self.made, self.pods)
        there, ready, updated = (
            len(groups),
            sum(g.ready for g in groups),
            sum(g.revision == self.revision for g in groups),
        )
        if (one := self.deployment) is not None:
            seen = one.settled and one.revision == self.revision
            return there + one.replicas, ready + one.ready_replicas, updated + (one.updated if seen else 0)
        return there, ready, updated


def conditions(serving: Serving) -> list[Condition]:
    """Return the conditions, Ready first: it is the first of the others that doesn't hold."""
    compliant, decision = serving.verdict.compliant, serving.verdict.decision
    drifts = serving.verdict.drift is not None and not serving.verdict.stop
    if compliant.status == "True" and serving.on_ineligible:
        compliant = condition(reasons.POLICY_COMPLIANT, False, reasons.NODE_NOT_ELIGIBLE, serving.on_ineligible)
    if compliant.status == "True" and drifts:
        compliant = condition(reasons.POLICY_COMPLIANT, False, reasons.DRIFTED, serving.verdict.drift_message)
    if serving.not_deleted:
        compliant = condition(reasons.POLICY_COMPLIANT, False, reasons.EVICTION_FAILED, serving.not_deleted[0])
    if serving.verdict.undecided:
        placed = condition(reasons.PLACED, None, reasons.UNDECIDED, serving.verdict.undecided)
    elif decision is None:
        placed = condition(reasons.PLACED, None, reasons.WAITING_FOR_COMPLIANCE, "waits for PolicyCompliant")
    else:
        holds = None if decision.reason == reasons.WAITING_FOR_SCHEDULING else decision.chosen is not None
        placed = condition(reasons.PLACED, holds, decision.reason, decision.message)
    workload = _workload(serving, placed)
    parts = (compliant, placed, workload, _rolled_out(serving, placed))
    first_bad = next((c for c in parts if c.status != "True"), None)
    if first_bad is None:
        ready = condition(reasons.READY, True, workload.reason, workload.message)
    else:
        holds = None if first_bad.status == "Unknown" else False
        ready = condition(reasons.READY, holds, first_bad.reason, first_bad.message, initial=first_bad.initial)
    rolling = serving.verdict.rolling
    return [
        ready,
        *parts,
        *([rolling.upgrade.condition] if rolling is not None and rolling.upgrade is not None else []),
    ]


def _workload(serving: Serving, placed: Condition) -> Condition:
    model, deployment = serving.model, serving.deployment
    if placed.status != "True":
        return condition(reasons.WORKLOAD_READY, None, reasons.WAITING_FOR_PLACEMENT, "waits for Placed")
    if serving.obstacle:
        why = reasons.CHANGED_BY_OTHERS if serving.differs else refused_by(serving.obstacle)
        return condition(reasons.WORKLOAD_READY, False, why, serving.obstacle)
    also = f"; {ends}" if (ends := describe_terminating(serving.leaving)) else ""
    if model.spec.replicas == 0:
        return condition(reasons.WORKLOAD_READY, True, reasons.SCALED_TO_ZERO, f"spec.replicas is 0{also}")
    _, ready, _ = serving.replicas
    message = f"{min(ready, model.spec.replicas)} of {model.spec.replicas} replicas are ready"
    if deployment is not None and deployment.message:
        why = refused_by(deployment.message)
        return condition(reasons.WORKLOAD_READY, False, why, f"{message}: {deployment.message}")
    if ready >= model.spec.replicas:
        return condition(reasons.WORKLOAD_READY, True, reasons.REPLICAS_READY, message + also)
    if (rolling := serving.verdict.rolling) is not None and rolling.waiting:
        wait, hold = either(rolling.waiting, "waits", "wait"), either(rolling.waiting, "holds", "hold")
        why = f"{rolling.waiting} {wait} until one interconnect domain has room for all pods of a replica, and {hold} no devices"
        return condition(reasons.WORKLOAD_READY, False, reasons.INSUFFICIENT_DOMAIN_CAPACITY, f"{message}; {why}{also}")
    if (trouble := serving.blocked_by) is not None:
        # What waits for a device that the model itself is about to give back is on its way.
        waits = bool(serving.leaving) and trouble.reason == reasons.UNSCHEDULABLE
        why = reasons.REPLICAS_PENDING if waits else trouble.reason
        return condition(reasons.WORKLOAD_READY, False, why, f"{message}; {trouble.message}{also}", initial=waits)
    return condition(reasons.WORKLOAD_READY, False, reasons.REPLICAS_PENDING, message + also, initial=True)


def _rolled_out(serving: Serving, placed: Condition) -> Condition:
    if placed.status != "True":
        return condition(reasons.ROLLED_OUT, None, reasons.WAITING_FOR_PLACEMENT, "waits for Placed")
    made, _, updated = serving.replicas
    stalled = serving.deployment.stalled if serving.deployment is not None else ""
    return progress(serving.revision, made, updated, stalled, serving.pods, serving.leaving)


def fields(
    serving: Serving,
    policies: Sequence[Policy],
    conditions: Sequence[Condition],
    external_url: str | None,
    now: float,
) -> SovereignModelStatus:
    """Return the status without its conditions."""
    model, verdict = serving.model, serving.verdict
    there, ready, updated = serving.replicas
    chosen = verdict.decision.chosen if verdict.decision is not None else None
    grouped = chosen is not None and chosen.devices.nodes > 1
    return SovereignModelStatus(
        phase=_phase(conditions, verdict),
        url=url(model) if ready and (chosen or _stays(serving)) else None,
        external_url=external_url,
        ready=f"{ready}/{model.spec.replicas}",
        replicas=there,
        ready_replicas=ready,
        updated_replicas=updated,
        selector=",".join(f"{key}={value}" for key, value in sorted(answering(model, grouped=grouped).items())),
        sizing=_sizing(model, verdict),
        weights=_weights(model, verdict),
        # As long as it couldn't be stopped it has its devices.
        placement=model.status.placement
        if (verdict.stop and serving.not_deleted) or (verdict.drift is not None and not verdict.stop)
        else _placement(model, policies, verdict),
        drain=verdict.rolling.drain if verdict.rolling is not None else None,
        drift=verdict.drift,
        history=history(model, verdict, conditions, now) or None,
    )


def _stays(serving: Serving) -> bool:
    """Say whether the model goes on as it is, though nothing was decided anew."""
    return serving.verdict.decision is None and not serving.verdict.stop


def _sizing(model: Model, verdict: Verdict) -> SizingStatus | None:
    if verdict.decision is None:
        return None if verdict.stop else model.status.sizing
    if verdict.decision.chosen is None:
        return None
    needed = verdict.decision.chosen.devices
    basis, sizing = needed.basis, needed.sizing
    return SizingStatus(
        devices=needed.count,
        nodes=needed.nodes if needed.nodes > 1 else None,
        tensor_parallel=needed.tensor_parallel,
        pipeline_parallel=needed.pipeline_parallel,
        model=basis.model if basis is not None else None,
        precision=(basis.precision or None) if basis is not None else None,
        context=basis.context if basis is not None else None,
        concurrency=basis.concurrency if basis is not None else None,
        account=tuple(f"{s.what}: {s.value}; {s.why}" for s in sizing.lines) if sizing is not None else None,
        note=needed.note or None,
    )


def _weights(model: Model, verdict: Verdict) -> WeightsStatus | None:
    if verdict.decision is None:
        return None if verdict.stop else model.status.weights
    return verdict.weights.status if verdict.weights is not None else None


def _placement(model: Model, policies: Sequence[Policy], verdict: Verdict) -> Placement | None:
    if verdict.decision is None:
        # Nothing was decided anew: where the model stands is kept as long as it isn't stopped.
        return None if verdict.stop else model.status.placement
    chosen, rejected = verdict.decision.chosen, verdict.decision.rejected
    governing = tuple(GoverningPolicy(name=p.name, generation=p.generation) for p in policies)
    if chosen is None:
        return Placement(policies=governing, rejected=tuple(_said(g) for g in rejected))
    where = Placement(
        zone=chosen.zone,
        accelerator=chosen.choice.profile,
        resource=chosen.resource,
        nodes=chosen.nodes,
        policies=governing,
    )
    return where.model_copy(update={"rejected": _rejected(model, where, rejected)})


def _said(group: Group) -> Rejected:
    return Rejected(reason=group.reason, count=len(group.nodes), sample=tuple(group.nodes[:SAMPLE]))


def _rejected(model: Model, where: Placement, groups: Sequence[Group]) -> tuple[Rejected, ...]:
    """Return why other nodes weren't taken. What others hold at the moment is no news of a model that stays as it is: otherwise
    each model that comes or goes would be written into the status of all others."""
    said = tuple(_said(g) for g in groups)
    before = model.status.placement
    if before is None or before.model_copy(update={"rejected": where.rejected}) != where:
        return said
    was = before.rejected
    lasting = [entry for entry, group in zip(said, groups, strict=True) if not group.passing]
    lasts = {entry.reason for entry in lasting}
    same = [entry for entry in was if entry.reason in lasts] == lasting
    everybody = sum(entry.count for entry in was) == sum(entry.count for entry in said)
    return was if same and everybody else said


def _phase(conditions: Sequence[Condition], verdict: Verdict) -> str:
    ready, _, placed, *_ = conditions
    if ready.status == "True":
        return "Ready"
    if verdict.drift is not None and not verdict.stop:
        return "Drifting"
    if verdict.compliant.status == "False":
        return "Refused"
    return "Placing" if placed.status == "True" else "Pending"
