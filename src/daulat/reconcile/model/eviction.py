"""What is deleted of a model because it must not run: its workload, and pods on nodes that aren't eligible any more.

All of it is charged to the policies that want it, and their brakes may hold it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from daulat.api import reasons
from daulat.api.counted import counted
from daulat.api.timestamps import seconds
from daulat.facts.child import WORKLOADS, Child
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Policy
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import condition, cut
from daulat.reconcile.policy.brake import Brake
from daulat.reconcile.policy.drift import drift_since, evict
from daulat.reconcile.policy.drift import left as seconds_left
from daulat.reconcile.result import Delete, EmitEvent

from .decision import Verdict
from .drifting import braked as goes_on_braked
from .rolling import ModelState
from .termination import ends_together, evict_now


def stopped(
    model: Model, policies: Sequence[Policy], verdict: Verdict, made: Sequence[Child], pods: Sequence[Pod]
) -> Iterator[Delete]:
    """Return the end of a model's workload, charged to its policies as one: it keeps everything but its pods."""
    # One that a finalizer keeps is deleted with what it owns: its pods would run on for as long.
    workloads = [c for c in made if (c.held or not c.deleting) and c.ref.kind in WORKLOADS]
    # The workloads first: they would make the pods anew.
    ends = [
        *(Delete(c.ref, c.uid, foreground=c.held or ends_together(c, pods)) for c in workloads),
        *evict_now(pods, made),
    ]
    charged_to, running = tuple(p.name for p in policies), sum(p.runs for p in pods)
    event = _withdrawn(model, verdict) if running else None
    for one in ends:
        yield replace(one, charged_to=charged_to, charge_id=model.uid, pods=running, event=event)
        event = None


def _withdrawn(model: Model, verdict: Verdict) -> EmitEvent:
    """Return the Event that says why a workload with running pods was deleted. Conditions may have said so all the while."""
    reason, why = verdict.compliant.reason, verdict.compliant.message
    if verdict.compliant.status == "True" and verdict.decision is not None:
        reason, why = verdict.decision.reason, verdict.decision.message
    after = f" after its grace period, which began at {verdict.drift.since}" if verdict.drift is not None else ""
    ref = Ref("SovereignModel", model.namespace, model.name)
    return EmitEvent(ref, model.uid, "Warning", str(reason), cut(f"the workload was deleted{after}: {why}"))


def moved(
    policies: Sequence[Policy], verdict: Verdict, on_ineligible: Mapping[Pod, str], state: ModelState
) -> Iterator[Delete]:
    """Return the eviction of pods that serve elsewhere already, as far as the brakes of the policies let them go."""
    for pod in verdict.rolling.ends if verdict.rolling else ():
        if all(
            Brake(p, state.snapshot, state.now).allows(1, drift_since(pod.node, p, state.now), pod.uid)
            for p in policies
        ):
            grace = seconds_left(pod, policies, state.now)
            yield evict(pod, on_ineligible.get(pod, ""), grace, [p.name for p in policies])
    yield from _moved_groups(policies, verdict, on_ineligible, state)


def _moved_groups(
    policies: Sequence[Policy], verdict: Verdict, on_ineligible: Mapping[Pod, str], state: ModelState
) -> Iterator[Delete]:
    """Return the end of groups that others replace already, each charged as one."""
    if verdict.rolling is None or not verdict.rolling.ended_groups:
        return
    parts: dict[str, list[Child]] = {}
    for child in state.made:
        if verdict.rolling.ends_group(child) and not child.deleting:
            parts.setdefault(child.group, []).append(child)
    for group, children in sorted(parts.items()):
        pods = [p for p in state.pods if p.group == group and p.runs]
        drifted = [p for p in pods if p in on_ineligible]
        brakes = [(Brake(p, state.snapshot, state.now), p) for p in policies]
        uid = children[0].uid
        since = {p.name: min((drift_since(d.node, p, state.now) for d in drifted), default=state.now) for p in policies}
        if all(brake.allows(len(pods), since[p.name], uid) for brake, p in brakes):
            for child in children:
                yield Delete(
                    child.ref,
                    child.uid,
                    foreground=ends_together(child, pods),
                    charged_to=tuple(p.name for p in policies),
                    charge_id=uid,
                    pods=len(pods),
                )


def braked(model: Model, verdict: Verdict, policies: Sequence[Policy], state: ModelState) -> Verdict:
    """Return the decision as the brakes of the policies let it be carried out: a model that is to stop may have to go on."""
    running = sum(p.runs for p in state.pods)
    if not verdict.stop or not running:
        return verdict
    since = _not_compliant_since(model, state.now)
    for policy in policies:
        brake = Brake(policy, state.snapshot, state.now)
        if not brake.allows(running, since, model.uid):
            why = verdict.compliant.message
            if verdict.compliant.status == "True" and verdict.decision is not None:
                why = verdict.decision.message
            message = (
                f"{why} Its {counted(running, 'pod goes', 'pods go')} on until the brake of policy {policy.name} is released;"
                " see its status."
            )
            held = condition(reasons.POLICY_COMPLIANT, False, reasons.BRAKE_HELD, message)
            return goes_on_braked(model, policies, verdict, held, state)
    return verdict


def is_held(verdict: Verdict) -> bool:
    """Say whether a brake keeps the model running."""
    return verdict.compliant.reason == reasons.BRAKE_HELD


def was_held(model: Model) -> bool:
    """Say whether a brake kept the model running before."""
    return any(c.reason == reasons.BRAKE_HELD for c in model.status.conditions)


def _not_compliant_since(model: Model, now: float) -> float:
    """Return since when the model's status says that it isn't compliant."""
    compliant = model.status.condition(reasons.POLICY_COMPLIANT)
    if compliant is None or compliant.status != "False":
        return now
    return seconds(compliant.last_transition_time)
