"""Puts a policy in force, proves that it is, evicts what it no longer accepts, and cleans up after one that is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from daulat.admission.approved import NOTHING_MATCHES
from daulat.admission.policy import CompiledPolicy, PolicyError
from daulat.api import reasons
from daulat.api.counted import counted
from daulat.api.names import GROUP
from daulat.api.policy import GOVERNED, EnforcementSource, SovereigntyPolicyStatus
from daulat.api.timestamps import seconds
from daulat.facts.by_namespace import models_in
from daulat.facts.child import Child
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.report import Report
from daulat.facts.snapshot import Canary, Policy, Proof, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.candidates import candidates_under
from daulat.reconcile.conditions import (
    AnyDeclared,
    Condition,
    StatusChange,
    condition,
    conditions_change,
    ready,
    status_change,
)
from daulat.reconcile.result import Apply, Delete, DryRunPod, Result

from . import advice, egress, gitops, pinning, ungoverned, unpinned, volumes
from .actions import by_action
from .approved import approval_events, approved_accelerators, to_remember, unreadable_profiles
from .canary import PATIENCE, UNPINNED, canary_pod, judge, pin_in_use
from .compiled import compiled, exemptions_now, governs_protected, manifests
from .drift import Watch
from .pinning import is_pinned

RECHECK = 300.0
"""Seconds after which a policy is proved to be in force again."""
UNPINNED_RECHECK = 60.0
"""The same where pods are refused unless they are pinned, though their namespace has the annotation that pins them."""
TAKEN_UP = 15.0
"""Seconds within which a policy that was applied for the first time is expected to refuse the canary."""
RETRY = 15.0
"""Seconds after which a canary without a verdict is tried again."""


def reconcile_policy(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return what brings the policy into force, and its status."""
    policy = snapshot.policies.get(ref.name)
    children = snapshot.children_by_policy.get(ref.name, ())
    if policy is None:
        # What GitOps applied is GitOps' to take away: its pipeline may be about to bring the policy back.
        own = [c for c in children if c.source != EnforcementSource.GITOPS.value]
        left = tuple(key for key in advice.left_over(snapshot) if key.name == ref.name)
        return Result(sweep=tuple(_sweep(own, keep=())), enqueue=left)
    if isinstance(policy, Unparsable):
        return _refuse(ref, policy, reasons.INVALID, policy.reason, now)
    if message := governs_protected(policy, snapshot):
        return _refuse(ref, policy, reasons.PROTECTED_NAMESPACE, message, now)
    try:
        result = compiled(policy, snapshot, now)
    except PolicyError as error:
        return _refuse(ref, policy, reasons.INVALID, str(error), now)
    return _in_force(ref, policy, result, children, snapshot, now)


def _in_force(
    ref: Ref, policy: Policy, result: CompiledPolicy, children: Sequence[Child], snapshot: Snapshot, now: float
) -> Result:
    governed = snapshot.governed_by(policy)
    by_operator = gitops.source(policy) is EnforcementSource.OPERATOR
    # Volumes are guarded first: the guard of pods, which the canary proves, is the last that is applied.
    wanted = manifests(policy, result, snapshot)
    if by_operator:
        wanted = (*volumes.guard(policy, governed, snapshot, now), *wanted)
    open_namespaces = sorted(n.name for n in governed if not n.terminating)
    enforced, again = _enforced(policy, result, open_namespaces, snapshot, now)
    prove: tuple[DryRunPod, ...] = ()
    if again is not None and open_namespaces and result.enforces:
        pod = canary_pod(policy.name, open_namespaces[0])
        proof = (result.revision, policy.generation, policy.spec.namespace_selector)
        prove = (DryRunPod(policy.name, pod, *proof), ungoverned.probe(policy.name, open_namespaces[0]))
    refused = tuple(volumes.unaccepted(policy, governed, snapshot, now))
    watch = Watch(policy, snapshot, now, _models_held({n.name for n in governed}, snapshot), refused)
    report = snapshot.reports.get(ref, Report()) if by_operator else Report()
    unreadable = unreadable_profiles(policy, snapshot)
    in_place = _compiled_condition(result, report, unreadable, snapshot)
    if by_operator and in_place.status == "True" and (failed := pinning.failed(policy, result, governed, snapshot)):
        in_place = condition(reasons.COMPILED, False, reasons.APPLY_FAILED, failed)
    if report.apply and again == PATIENCE:
        again = RETRY  # Before it is applied nothing new can be in force.
    if not by_operator:
        differing = [*gitops.drift(wanted, children), *pinning.missing(policy, result, governed)]
        if differing or not unreadable:
            in_place = gitops.compiled_condition(
                result, snapshot.capabilities, differing, not children, enforced.status == "True"
            )
        if in_place.status == "False" and again == PATIENCE:
            again = gitops.PATIENCE
    fields = SovereigntyPolicyStatus(
        revision=result.revision,
        pin=pin_in_use(snapshot.canaries.get(policy.name), result) or policy.status.pin,
        namespaces=len(governed),
        governed_namespaces=tuple(sorted(n.name for n in governed)[:GOVERNED]),
        eligible_nodes=len(candidates_under((policy,), snapshot).eligible),
        controls_by_action=by_action(
            (*result.status_controls, *(volumes.controls(policy, snapshot, now) if by_operator else ()))
        ),
        accelerators=approved_accelerators(policy, result.approved, to_remember(ref, policy, unreadable, snapshot)),
        drift=watch.drifted() or None,
        undecided=watch.undecided_nodes() or None,
        brake=watch.brake_status(),
        egress_scope=egress.scope(policy),
    )
    upheld = unpinned.upheld(watch.condition(), policy, snapshot, result.unpinned_namespaces)
    # A policy on trial, or one without a namespace so far, is ready once it is compiled.
    on_trial = enforced.reason in (reasons.NOT_ENFORCING, reasons.NO_GOVERNED_NAMESPACE)
    parts = (in_place, upheld) if on_trial else (enforced, in_place, upheld)
    open_egress = egress.egress_condition(policy, open_namespaces, snapshot)
    conditions = [ready(*parts), enforced, in_place, _scope(policy), open_egress, upheld]
    change = status_change(ref, policy, conditions, fields, now)
    evictions = tuple(watch.evictions())
    keep = [Ref.of(m["kind"], m) for m in wanted]
    return Result(
        # What is charged to the brake is written down before it is done: the next leader has to know of it.
        reserve=change.status if any(d.charged_to for d in evictions) else (),
        apply=tuple(Apply(m, independent=True) for m in wanted) if by_operator else (),
        prove=prove,
        evict=evictions,
        sweep=tuple(_sweep(children, keep)) if by_operator else (),
        status=change.status,
        events=(*change.events, *approval_events(ref, policy, result.approved)),
        requeue_after=min(
            [
                again if again is not None else RECHECK,
                *_retry(policy, snapshot, now),
                *_expiries(policy, snapshot, now),
                *watch.again(),
                *unpinned.again(upheld),
            ]
        ),
        enqueue=(
            ungoverned.KEY,
            advice.key(ref.name),
            *pinning.superseded(result, governed),
            # Neither a canary nor a status is a change that would wake them.
            *_waiting({n.name for n in governed}, snapshot),
        ),
    )


def _models_held(namespaces: set[str], snapshot: Snapshot) -> int:
    """Return how many models in these namespaces the brake of a policy keeps running."""
    found = 0
    for ref in models_in(namespaces, snapshot):
        model = snapshot.models[ref]
        if isinstance(model, Declared):
            compliant = model.status.condition(reasons.POLICY_COMPLIANT)
            found += compliant is not None and compliant.reason == reasons.BRAKE_HELD
    return found


def _waiting(namespaces: set[str], snapshot: Snapshot) -> list[Ref]:
    """Return the models in these namespaces that wait for a policy in force."""
    found = []
    for ref in models_in(namespaces, snapshot):
        model = snapshot.models[ref]
        if isinstance(model, Declared):
            compliant = snapshot.latest_status(ref, model).condition(reasons.POLICY_COMPLIANT)
            if compliant is not None and compliant.reason == reasons.WAITING_FOR_POLICY:
                found.append(ref)
    return found


def _retry(policy: Policy, snapshot: Snapshot, now: float) -> list[float]:
    """Return in how many seconds a canary is tried again, where that is sooner than usual."""
    found = snapshot.canaries.get(policy.name)
    if found is None:
        return []
    lasts = RETRY if found.error else _lasts(found, policy, snapshot)
    return [found.at + lasts - now + 0.1] if now - found.at < lasts < RECHECK else []


def _expiries(policy: Policy, snapshot: Snapshot, now: float) -> list[float]:
    """Return in how many seconds each exemption in force ends: the policy is compiled without it then."""
    return [spec.seconds_left(now) + 0.1 for spec in exemptions_now(policy, snapshot, now)]


def _refuse(ref: Ref, policy: AnyDeclared, reason: str, message: str, now: float) -> Result:
    enforced = condition(reasons.ENFORCED, False, reason, f"{message}. What was in force stays in force.")
    conditions = [ready(enforced), enforced]
    return _status_alone(conditions_change(ref, policy, conditions, now))


def _status_alone(change: StatusChange) -> Result:
    return Result(status=change.status, events=change.events)


def _enforced(
    policy: Policy, result: CompiledPolicy, namespaces: list[str], snapshot: Snapshot, now: float
) -> tuple[Condition, float | None]:
    """Return the condition, and when to try again, where a try is due now."""
    if not result.enforces:
        message = f"spec.action is {policy.spec.action.value}: requests for pods aren't refused"
        return condition(reasons.ENFORCED, False, reasons.NOT_ENFORCING, message), None
    if not namespaces:
        message = "no namespace matches spec.namespaceSelector, so there is nowhere to try"
        return condition(reasons.ENFORCED, None, reasons.NO_GOVERNED_NAMESPACE, message), None
    found, proof = _tried(policy, snapshot)
    told, proved = judge(found, proof, result, now)
    if told.reason == reasons.CANARY_ADMITTED and _is_coming(policy, snapshot, now):
        message = f"revision {result.revision} isn't live yet; {told.message}"
        told = condition(reasons.ENFORCED, None, reasons.CANARY_PENDING, message)
    if proved and ungoverned.closed(policy.name, snapshot):
        message = "the namespaces that the policy governs aren't open yet: GOV-01 still refuses pods there"
        return condition(reasons.ENFORCED, None, reasons.CANARY_PENDING, message), PATIENCE
    if (
        proved
        and found is not None
        and found.namespace in namespaces
        and now - found.at < _lasts(found, policy, snapshot)
    ):
        return told, None
    if found is not None and found.error and now - found.at < RETRY:
        return told, None
    return told, RECHECK if proved else RETRY if found is not None and found.error else PATIENCE


def _tried(policy: Policy, snapshot: Snapshot) -> tuple[Canary | None, Proof | None]:
    """Return the last canary and the last proof, as far as they still count.

    While a policy only warns, or is being taken up again, what was tried before says nothing: its revision may be the same
    again, and the API server takes a second or two to refuse again.
    """
    found, proof = snapshot.canaries.get(policy.name), snapshot.proofs.get(policy.name)
    stood = snapshot.latest_status(Ref("SovereigntyPolicy", "", policy.name), policy).condition(reasons.ENFORCED)
    if stood is None or stood.status == "True":
        return found, proof
    if stood.reason == reasons.NOT_ENFORCING:
        return None, None
    since = seconds(stood.last_transition_time)
    return found, proof if proof is not None and proof.at >= since else None


def _is_coming(policy: Policy, snapshot: Snapshot, now: float) -> bool:
    """Say whether the policy has just been applied for the first time: the API server takes a second or two to take it up."""
    stood = snapshot.latest_status(Ref("SovereigntyPolicy", "", policy.name), policy).condition(reasons.ENFORCED)
    if stood is None or stood.reason in (reasons.NOT_ENFORCING, reasons.NO_GOVERNED_NAMESPACE):
        return True
    return stood.reason == reasons.CANARY_PENDING and now - seconds(stood.last_transition_time) < TAKEN_UP


def _lasts(found: Canary, policy: Policy, snapshot: Snapshot) -> float:
    """Return for how many seconds a proof isn't tried again: a shorter time where the annotation that pins pods did nothing."""
    if UNPINNED not in found.message or not snapshot.capabilities.pin.annotation:
        return RECHECK
    namespace = snapshot.namespaces.get(found.namespace)
    came_since = namespace is not None and not found.annotated and is_pinned(namespace, policy.name, snapshot)
    return 0.0 if came_since else UNPINNED_RECHECK


def _compiled_condition(
    result: CompiledPolicy, report: Report, missing: Mapping[str, str], snapshot: Snapshot
) -> Condition:
    if report.apply:
        reason = reasons.APPLY_INCOMPLETE if report.differs else reasons.APPLY_FAILED
        return condition(reasons.COMPILED, False, reason, report.apply)
    if report.sweep:
        message = f"an object of a former revision is still in force: {report.sweep[0]}"
        return condition(reasons.COMPILED, False, reasons.APPLY_INCOMPLETE, message)
    if missing:
        told = "; ".join(f"AcceleratorProfile {name} {why}" for name, why in missing.items())
        unreadable = any(name in snapshot.profiles for name in missing)
        reason = reasons.PROFILE_UNREADABLE if unreadable else reasons.PROFILE_NOT_FOUND
        message = f"{told}, so nothing of it is approved for new pods; nodes that may have it keep what they run"
        return condition(reasons.COMPILED, False, reason, message)
    told = f"{counted(len(result.controls), 'control')} in revision {result.revision}"
    told += f"{_left_out(result, snapshot)}{_nothing(result)}"
    return condition(reasons.COMPILED, True, reasons.APPLIED, told)


def _nothing(result: CompiledPolicy) -> str:
    return f"; spec.accelerators: {NOTHING_MATCHES}" if result.approved.nothing_matches else ""


def _left_out(result: CompiledPolicy, snapshot: Snapshot) -> str:
    if not result.left_out:
        return ""
    return f"; left out on Kubernetes {snapshot.capabilities.version}: {', '.join(result.left_out)}"


def _scope(policy: Policy) -> Condition:
    keys = policy.spec.namespace_selector.label_keys()
    loose = sorted(k for k in keys if not k.startswith(f"{GROUP}/") and k != "kubernetes.io/metadata.name")
    if loose:
        message = f"{', '.join(loose)} can be changed by every user who may label namespaces; select by {GROUP}/ labels"
        return condition(reasons.SCOPE_TAMPERABLE, True, reasons.SELECTS_UNPROTECTED_LABELS, message, good="False")
    message = "the selector reads guarded labels only"
    return condition(reasons.SCOPE_TAMPERABLE, False, reasons.SELECTS_PROTECTED_LABELS, message, good="False")


def _sweep(children: Iterable[Child], keep: Iterable[Ref]) -> list[Delete]:
    """Return the deletion of what is left over, bindings first: a policy without a binding does nothing.

    What refuses goes before what pins: a pod that nothing pins any more would be refused otherwise.
    """
    kept = set(keep)
    left = [c for c in children if c.ref not in kept and not c.deleting]

    def order(child: Child) -> tuple[bool, bool, Ref]:
        return not child.ref.kind.endswith("Binding"), child.ref.kind.startswith("Mutating"), child.ref

    return [Delete(c.ref, c.uid) for c in sorted(left, key=order)]
