"""Decides on a model in one pass: what is said of it, what is to exist of it, and whether its pods are to go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daulat.admission.policy import PolicyError
from daulat.api import reasons
from daulat.api.counted import either
from daulat.api.kinds import Manifest
from daulat.api.model import ModelDriftStatus
from daulat.api.timestamps import seconds
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.placement.approval import approval
from daulat.placement.choice import Decision, choose
from daulat.placement.current_placement import current_placement
from daulat.placement.loading import Loading, loading
from daulat.reconcile.conditions import Condition, condition
from daulat.reconcile.policy.compiled import compiled, unreadable_exemptions
from daulat.workload.container import image_of, with_image_field
from daulat.workload.manifests import manifests
from daulat.workload.pod import revision, templates, unusable_settings

from .awaited_policy import awaited_policy
from .compliance import model_violations, pod_violations
from .pins import pins
from .rolling import ModelState, Rolling, wait_or_roll
from .upgrade import inputs, noted

PATIENCE = 30.0
"""Seconds that a model waits until the pods of others are on nodes, before it takes what they can't take from it."""


@dataclass(frozen=True)
class Verdict:
    """The decision."""

    compliant: Condition
    decision: Decision | None = None
    """Where it runs; None where that wasn't decided anew."""
    run: Sequence[Manifest] = ()
    """All that is to exist of it."""
    stop: bool = False
    """Whether its pods are to go."""
    undecided: str = ""
    """The fact that is missing to decide where it runs; it stays as it is meanwhile."""
    inputs: str = ""
    """The digest of what the model and its policies say of its pods, where it runs."""
    weights: Loading | None = None
    rolling: Rolling | None = None
    """How its replicas are replaced, where it runs."""
    drift: ModelDriftStatus | None = None
    """Since when policies don't accept it any more, where it goes on all the same, and until when."""
    drift_message: str = ""
    """Why they don't, and what becomes of it."""


def decide(model: Model, policies: Sequence[Policy], state: ModelState) -> Verdict:
    """Return the decision under the policies that govern the model's namespace."""
    snapshot, now = state.snapshot, state.now
    unreadable = snapshot.unparsable_policies()
    if unreadable:
        message = (
            f"policy {', '.join(unreadable)} can't be read, so it can't be decided what it allows; nothing is changed"
        )
        return Verdict(condition(reasons.POLICY_COMPLIANT, None, reasons.POLICY_UNREADABLE, message))
    # What runs when its policy is gone is decided below.
    if (policies or current_placement(model) is None) and (waits := awaited_policy(model, policies, snapshot, now)):
        return Verdict(waits)
    if not policies:
        message = (
            f"no policy governs namespace {model.namespace}, so the model can't be placed; label the namespace so that a"
            f" SovereigntyPolicy selects it"
        )
        told = condition(reasons.POLICY_COMPLIANT, False, reasons.NOT_GOVERNED, message)
        # That a policy is gone decides nothing about what runs under it. That the namespace isn't selected any more does.
        former = former_policies(model)
        return Verdict(told, stop=bool(former) and all(name in snapshot.policies for name in former))
    try:
        in_force = [compiled(policy, snapshot, now) for policy in policies]
    except PolicyError as error:
        message = f"a policy can't be compiled: {error}; nothing is changed"
        return Verdict(condition(reasons.POLICY_COMPLIANT, None, reasons.POLICY_UNREADABLE, message))
    if missing := _unlisted(model, snapshot):
        kinds = ", ".join(missing)
        message = f"the operator couldn't list {kinds} yet, of which the model may have some; nothing is changed"
        return Verdict(condition(reasons.POLICY_COMPLIANT, None, reasons.UNDECIDED, message), undecided=message)
    violations = model_violations(model, in_force, snapshot)
    decision = choose(model, policies, snapshot, patient=waited(model, now) < PATIENCE)
    how: Loading | None = None
    if decision.chosen is not None:
        how = loading(model, decision.chosen, policies, snapshot.weights_image)
        violations += unusable_settings(model, decision.chosen)
        violations += [how.problem] if how.problem else []
        # Without an image there are no pods to judge, and what is missing is told by the field of the model.
        if image_of(model, decision.chosen):
            pods = templates(model, decision.chosen, [p.name for p in policies], how, snapshot.platform)
            found = pod_violations(model, pods, in_force, snapshot, now)
            violations += [with_image_field(v, decision.chosen.choice.profile) for v in found]
    if violations:
        message = " ".join(dict.fromkeys(violations))
        if (why := _unreadable(model, policies, snapshot)) and all(_names(v, why) for v in violations):
            facts = "; ".join(f"AcceleratorProfile {name} {reason}" for name, reason in why.items())
            message = f"{facts}, so it can't be decided whether it is approved; nothing is changed. {message}"
            return Verdict(condition(reasons.POLICY_COMPLIANT, None, reasons.UNDECIDED, message), undecided=message)
        if exemptions := unreadable_exemptions(snapshot):
            message = (
                f"exemption {', '.join(exemptions)} can't be read, and may allow this; nothing is changed. {message}"
            )
            return Verdict(condition(reasons.POLICY_COMPLIANT, None, reasons.POLICY_UNREADABLE, message))
        return Verdict(condition(reasons.POLICY_COMPLIANT, False, reasons.POLICY_VIOLATION, message), stop=True)
    word = either(len(policies), "policy", "policies")
    message = f"the model and its pods comply with {word} {', '.join(p.name for p in policies)}"
    compliant = condition(reasons.POLICY_COMPLIANT, True, reasons.COMPLIANT, message, initial=True)
    if decision.held:
        return Verdict(compliant, undecided=decision.message)
    if decision.chosen is None or how is None:
        return Verdict(compliant, decision, stop=True)
    pinned = pins(model, decision.chosen, [p.name for p in policies], how, state)
    target = revision(model, decision.chosen, pinned, how, snapshot.platform)
    mine = inputs(model, decision.chosen, pinned, how)
    rolling = wait_or_roll(model, decision.chosen, target, mine, state)
    run = noted(manifests(model, decision.chosen, policies, how, rolling.plan, snapshot.platform, pinned), mine)
    return Verdict(compliant, decision, run, inputs=mine, weights=how, rolling=rolling)


def _unreadable(model: Model, policies: Sequence[Policy], snapshot: Snapshot) -> dict[str, str]:
    """Return the accelerators of the model that a policy may approve and that can't be read, with the words for it."""
    listed = {choice.profile for choice in model.spec.accelerators}
    found = {name: why for policy in policies for name, why in approval(policy, snapshot).unreadable.items()}
    return {name: why for name, why in sorted(found.items()) if name in listed}


def _names(violation: str, profiles: Iterable[str]) -> bool:
    """Say whether the violation is that one of these accelerators isn't approved."""
    return any(violation.startswith(f'SUP-08 spec.accelerators["{name}"].profile:') for name in profiles)


def _unlisted(model: Model, snapshot: Snapshot) -> list[str]:
    """Return the kinds that the model needs and of which it isn't known yet what there is."""
    spec = model.spec
    claims = any(choice.claims == "DynamicResourceAllocation" for choice in spec.accelerators)
    grouped = any((choice.nodes or 1) > 1 for choice in spec.accelerators) or (
        model.status.sizing is not None and (model.status.sizing.nodes or 1) > 1
    )
    needs = {
        "LeaderWorkerSet": grouped,
        "ScaledObject": spec.autoscaling is not None,
        **dict.fromkeys(("HTTPRoute", "InferencePool", "Gateway"), spec.exposure is not None),
        **dict.fromkeys(("ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"), claims),
    }
    return [kind for kind, needed in needs.items() if needed and kind in snapshot.unlisted]


def former_policies(model: Model) -> list[str]:
    """Return the names of the policies under which the model was placed, by its status."""
    return [p.name for p in model.status.placement.policies] if model.status.placement is not None else []


def waited(model: Model, now: float) -> float:
    """Return for how many seconds the model has waited for the pods of others."""
    placed = model.status.condition(reasons.PLACED)
    if placed is None or placed.reason != reasons.WAITING_FOR_SCHEDULING:
        return 0.0
    return now - seconds(placed.last_transition_time)
