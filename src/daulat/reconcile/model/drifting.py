"""Keeps a model that policies don't accept any more as it is, until the grace period of drift is over (`policy/grace.py`).

That is so whatever has changed: nodes, zones, profiles, policies, exemptions, the labels of its namespace. What the model's own
user changes isn't covered, but for a change that comes while its nodes aren't eligible any more: that isn't why it is to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.api.model import ModelDriftStatus
from daulat.api.timestamps import seconds, stamp
from daulat.facts.child import WORKLOADS
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Policy
from daulat.kube.ref import Ref
from daulat.placement.choice import Chosen, may_stay
from daulat.placement.current_placement import CurrentPlacement, current_placement
from daulat.placement.loading import Loading, loading
from daulat.placement.standing import standing, stays
from daulat.reconcile.conditions import Condition, condition
from daulat.reconcile.policy.drift import is_stranded, moves
from daulat.reconcile.policy.grace import Grace
from daulat.workload.manifests import manifests
from daulat.workload.network import network_policy
from daulat.workload.pod import revision

from .decision import Verdict, decide, former_policies
from .pins import pins
from .rolling import ModelState, Rolling, roll
from .upgrade import inputs, noted

OVERDUE = 30.0
"""Seconds after which a model is looked at again whose grace period is over, while its pods are being evicted."""


@dataclass(frozen=True)
class Kept:
    """The workload as it is, so that it goes on being applied."""

    chosen: Chosen
    how: Loading
    rolling: Rolling
    run: Sequence[Manifest]
    inputs: str


def tolerated(model: Model, policies: Sequence[Policy], verdict: Verdict, state: ModelState) -> Verdict:
    """Return the decision as the rule of drift lets it be carried out: a model that is to stop may have to go on."""
    where, running = current_placement(model), _running(state)
    if where is None or not (running or _has_workload(state)):
        return verdict
    moving = bool(running) and _is_elsewhere(verdict, where)
    stops = verdict.stop
    if stops and verdict.compliant.status == "True" and may_stay(model, policies, state.snapshot):
        return verdict  # Others took the devices before its first pod came: no policy is against that place.
    if not (stops or moving):
        return verdict
    kept = _kept(model, policies, state)
    if kept is None and not model.spec.replicas:
        return verdict  # Nothing is to run, and nothing else could be made of it.
    before = state.snapshot.latest_status(Ref("SovereignModel", model.namespace, model.name), model).drift
    if _is_own_change(model, kept) and (moving or (before is None and not _are_stranded(running, policies, state))):
        return verdict
    against = _against(model, policies, where, state)
    grace = Grace.of(against, before.since if before is not None else stamp(state.now))
    if moving and grace.policy is not None:
        return verdict  # It serves elsewhere before anything is taken away here.
    left = grace.left(state.now)
    drift = ModelDriftStatus(since=grace.since, until=grace.until or None)
    if left is not None and left <= 0 and not _left_to_pods(verdict, running, against, state):
        return replace(verdict, drift=drift)
    return _held(verdict, kept, drift, _becomes(len(running), against, grace))


def again(verdict: Verdict, now: float) -> float | None:
    """Return the seconds after which to look at a model again that drifts; None where its grace period never ends."""
    if verdict.drift is None or verdict.drift.until is None:
        return None
    left = seconds(verdict.drift.until) - now
    return left + 0.1 if left > 0 else OVERDUE


def braked(
    model: Model, policies: Sequence[Policy], verdict: Verdict, compliant: Condition, state: ModelState
) -> Verdict:
    """Return that a model goes on as it is though its grace period is over, since a brake holds it, as ``compliant`` says."""
    return _goes_on(verdict, _kept(model, policies, state), compliant, verdict.drift, compliant.message)


def _held(verdict: Verdict, kept: Kept | None, drift: ModelDriftStatus, becomes: str) -> Verdict:
    compliant = verdict.compliant
    if compliant.status != "True":
        told = condition(reasons.POLICY_COMPLIANT, False, compliant.reason, f"{compliant.message} {becomes}")
        return _goes_on(verdict, kept, told, drift, becomes)
    why = verdict.decision.message if verdict.decision is not None else ""
    return _goes_on(verdict, kept, compliant, drift, f"{why}. {becomes}")


def _goes_on(
    verdict: Verdict, kept: Kept | None, compliant: Condition, drift: ModelDriftStatus | None, why: str
) -> Verdict:
    if kept is None:
        # What was made can't be worked out any more, so it is left as it is.
        return Verdict(compliant, drift=drift, drift_message=why)
    decision = stays(kept.chosen, verdict.decision.rejected if verdict.decision is not None else ())
    return Verdict(
        compliant,
        decision,
        kept.run,
        inputs=kept.inputs,
        weights=kept.how,
        rolling=kept.rolling,
        drift=drift,
        drift_message=why,
    )


def _becomes(pods: int, against: Sequence[Policy], grace: Grace) -> str:
    whose = {0: "Its workload goes", 1: "Its pod goes"}.get(pods, f"Its {pods} pods go")
    if grace.policy is None:
        names = ", ".join(p.name for p in against)
        only = f"policy {names} only reports" if len(against) == 1 else f"policies {names} only report"
        return f"{whose} on: {only} drift."
    return (
        f"{whose} on until {grace.until}, for the {grace.length} s of drift.gracePeriod of policy {grace.policy.name}."
    )


def _running(state: ModelState) -> list[Pod]:
    return [p for p in state.pods if p.runs and p.node in state.snapshot.nodes]


def _has_workload(state: ModelState) -> bool:
    return any(c.ref.kind in WORKLOADS and not c.deleting for c in state.made)


def _is_elsewhere(verdict: Verdict, where: CurrentPlacement) -> bool:
    chosen = verdict.decision.chosen if verdict.decision is not None else None
    return chosen is not None and (chosen.zone, chosen.choice.profile) != (where.zone, where.accelerator)


def _is_own_change(model: Model, kept: Kept | None) -> bool:
    """Say whether the model's user asks for other pods than those that run."""
    seen = model.status.observed_generation
    return kept is None and seen is not None and seen != model.generation


def _are_stranded(running: Sequence[Pod], policies: Sequence[Policy], state: ModelState) -> bool:
    """Say whether none of the pods is on an eligible node any more, so that the model drifts whatever its user changes."""
    return bool(running) and all(is_stranded(pod, policies, state.snapshot) for pod in running)


def _against(model: Model, policies: Sequence[Policy], where: CurrentPlacement, state: ModelState) -> Sequence[Policy]:
    """Return the policies that don't accept the model where it is. Where it's none of them alone, it is all of them together."""
    if not policies:
        # The namespace isn't selected any more: those under which the model was placed say how it ends.
        known = state.snapshot.known_policies
        return [known[name] for name in former_policies(model) if name in known]
    if len(policies) == 1:
        return policies
    alone = [(policy, decide(model, [policy], state)) for policy in policies]
    return [p for p, verdict in alone if verdict.stop or _is_elsewhere(verdict, where)] or policies


def _left_to_pods(verdict: Verdict, running: Sequence[Pod], against: Sequence[Policy], state: ModelState) -> bool:
    """Say whether the policies evict the model's pods one by one, since it is their nodes that they don't accept."""
    if not running or verdict.compliant.status != "True":
        return False
    return all(moves(pod, against, state.snapshot) for pod in running)


def _kept(model: Model, policies: Sequence[Policy], state: ModelState) -> Kept | None:
    """Return the workload as it was made last; None where the facts that it was made of have changed."""
    snapshot, names = state.snapshot, former_policies(model)
    known = snapshot.known_policies
    # Of one that is gone, pods may still have the pin.
    placed_under = [known[name] for name in names if name in known] or list(policies)
    history, deployment = model.status.history, state.deployment
    made = {history[-1].template} if history else set()
    made |= {deployment.revision} if deployment is not None and deployment.revision else set()
    for chosen in standing(model, snapshot):
        how = loading(model, chosen, placed_under, snapshot.weights_image)
        pinned = pins(model, chosen, [p.name for p in placed_under], how, state)
        target = revision(model, chosen, pinned, how, snapshot.platform)
        if how.problem or target not in made:
            continue
        rolling = roll(model, chosen, target, state)
        run = manifests(model, chosen, placed_under, how, rolling.plan, snapshot.platform, pinned)
        if policies:
            # What the network allows isn't drift: it is as the policies of now say.
            grouped, specs = chosen.devices.nodes > 1, [p.spec for p in policies]
            closed = network_policy(model, specs, snapshot.platform, grouped=grouped)
            run = [closed if m["kind"] == "NetworkPolicy" else m for m in run]
        mine = inputs(model, chosen, pinned, how)
        return Kept(chosen, how, rolling, noted(run, mine), mine)
    return None
