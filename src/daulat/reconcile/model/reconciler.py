"""Brings a model to where policies let it run, or says why it doesn't run. No pod is made until every check holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from daulat.admission.policy import PolicyError
from daulat.api import reasons
from daulat.api.kinds import Manifest
from daulat.facts.child import WORKLOADS, Child
from daulat.facts.declared import Malformed
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.choice import choose
from daulat.reconcile.conditions import told, write
from daulat.reconcile.policy.drift import ends as drift_ends
from daulat.reconcile.policy.drift import is_stranded, outlook
from daulat.reconcile.policy.drift import left as drift_left
from daulat.reconcile.policy.reconciler import compiled
from daulat.reconcile.result import Apply, ApplyStatus, Delete, Effect, Outcome
from daulat.reconcile.timestamps import seconds
from daulat.workload.claims import is_needed
from daulat.workload.manifests import manifests
from daulat.workload.network import default_deny
from daulat.workload.pod import revision, templates, unusable_settings
from daulat.workload.weights import Loading, loading

from .auxiliary import KINDS as BESIDE
from .auxiliary import beside, unwanted
from .blockers import hindrance
from .capacity import KEY as ROOM
from .compliance import model_violations, pod_violations
from .decision import Verdict
from .rolling import Surroundings, roll
from .status import Serving, conditions, fields
from .termination import at_once, ends_together, left, outlives

RETRY = 15.0
"""Seconds after which a model that the API server refused is tried again."""
PATIENCE = 30.0
"""Seconds that a model waits until the pods of others are on nodes, before it takes what they can't take from it."""


def reconcile_model(ref: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return what the model needs, and its status."""
    model = snapshot.models.get(ref)
    if model is None:
        return Outcome()
    if isinstance(model, Malformed):
        invalid = told(reasons.READY, False, reasons.INVALID, model.reason)
        # Where it stands isn't forgotten: it can be read again after an upgrade.
        kept = {k: v for k, v in model.status.items() if k not in ("conditions", "observedGeneration")}
        return Outcome(tuple(write(ref, model.uid, model.generation, model.status, [invalid], kept, now)))
    if model.deleting:
        return Outcome()
    policies = snapshot.governing(model.namespace)
    made = [c for c in snapshot.children_by_model.get((model.namespace, model.name), ()) if c.owner_uid == model.uid]
    pods = snapshot.pods_by_model.get((model.namespace, model.name), ())
    around = Surroundings(snapshot, made, pods, now)
    verdict = _decide(model, policies, around)
    extras = beside(model, policies, verdict, snapshot)
    # First, and whatever becomes of the rest: a route that may be no more leads in from outside.
    closes: list[Effect] = [Delete(c.ref, c.uid) for c in unwanted(verdict, extras, made)]
    # Extras last, since an autoscaler reads the selector of the pods in the status.
    makes: list[Effect] = [Apply(m) for m in [*_guarded(model, verdict.run, pods), *extras.manifests]]
    ends: list[Effect] = [
        Delete(c.ref, c.uid, together=ends_together(c, pods)) for c in _left_over(model, verdict, made, pods)
    ]
    ends += at_once(pods, made) if verdict.stop else []
    obstacle = snapshot.obstacles.get(ref)
    astray = {p: why for p in pods if (why := is_stranded(p, policies, snapshot))}
    hindered = hindrance(model, snapshot, around.ending)
    serving = Serving(model, verdict, made, pods, obstacle, hindered, around.ending, _outlook(astray, policies))
    said = conditions(serving)
    told_of = {**fields(serving, policies, said, now), "externalUrl": extras.url}
    writes = write(ref, model.uid, model.generation, model.status, [*said, *extras.conditions], told_of, now)
    # What is promised is written down before it is acted on, and is given up after: so no start anew, and no write that
    # fails in between, gives away devices that pods are about to take.
    decided = [e for e in writes if isinstance(e, ApplyStatus)]
    notes = [e for e in writes if not isinstance(e, ApplyStatus)]
    acts = [*ends, *decided, *makes] if verdict.stop else [*decided, *makes, *ends]
    leaves = [
        e
        for p in (verdict.rolling.ends if verdict.rolling else ())
        for e in drift_ends(p, astray.get(p, ""), drift_left(p, policies, now))
    ]
    effects = [*closes, *acts, *notes, *leaves]
    again = [RETRY] if obstacle else []
    if verdict.decision is not None and verdict.decision.reason == reasons.WAITING_FOR_SCHEDULING:
        again.append(max(PATIENCE - _awaited(model, now), 0) + 1)
    again += [verdict.rolling.again] if verdict.rolling is not None and verdict.rolling.again is not None else []
    again += [late] if (late := left(around.ending, now)) is not None else []
    also = (ROOM,) if _gives_up(model, told_of["placement"]) else ()
    return Outcome(tuple(effects), min(again, default=None), also)


def _outlook(astray: Mapping[Pod, str], policies: Sequence[Policy]) -> str:
    """Return where pods are that must not be there, and what becomes of them; empty where there are none."""
    if not astray:
        return ""
    first = min(astray, key=lambda p: p.name)
    more = f" (and {len(astray) - 1} more such pods)" if astray.keys() - {first} else ""
    return f"pod {first.name}{more}: its node {astray[first]}; {outlook(policies)}"


def _guarded(model: Model, manifests: Sequence[Manifest], pods: Sequence[Pod]) -> list[Manifest]:
    """Let the network of pods stay closed until they have ended, whoever deletes the model before.

    Pods that may take long over it keep what they are allowed, too, to go on with the requests that they have.
    """
    if not manifests:
        return []
    return [
        default_deny(model.namespace),
        *(outlives(m, pods) if m["kind"] == "NetworkPolicy" else m for m in manifests),
    ]


def _awaited(model: Model, now: float) -> float:
    """Return for how many seconds the model has waited for the pods of others."""
    for condition in model.status.get("conditions") or ():
        if condition.get("type") == reasons.PLACED and condition.get("reason") == reasons.WAITING_FOR_SCHEDULING:
            return now - seconds(str(condition["lastTransitionTime"]))
    return 0.0


def _gives_up(model: Model, after: Manifest | None) -> bool:
    """Say whether the model leaves devices to others that no pod of its need have held."""
    before = model.status.get("placement") or {}
    return any(before.get(key) and before.get(key) != (after or {}).get(key) for key in ("zone", "accelerator"))


def _left_over(model: Model, verdict: Verdict, made: Sequence[Child], pods: Sequence[Pod]) -> list[Child]:
    """Return what is there and isn't wanted any more. What is stopped loses its pods alone, and keeps its weights."""
    there = [c for c in made if not c.deleting and c.ref.kind not in BESIDE]
    if verdict.stop:
        return [c for c in there if c.ref.kind in WORKLOADS]
    if not verdict.run or verdict.rolling is None:
        return []
    wanted = {Ref.of(m["kind"], m) for m in verdict.run}
    placed = verdict.decision.chosen if verdict.decision else None
    expected, revision = model.spec.replicas * (placed.devices.nodes if placed else 1), verdict.rolling.revision
    old = [c for c in there if c.ref not in wanted and not verdict.rolling.keeps(c)]
    return [c for c in old if c.ref.kind != "ResourceClaimTemplate" or not is_needed(c, pods, revision, expected)]


def _decide(model: Model, policies: Sequence[Policy], around: Surroundings) -> Verdict:
    snapshot, now = around.snapshot, around.now
    unreadable = snapshot.malformed_policies()
    if unreadable:
        message = f"policy {', '.join(unreadable)} can't be read, so nobody can say what it allows; nothing is changed"
        return Verdict(told(reasons.POLICY_COMPLIANT, None, reasons.POLICY_UNREADABLE, message))
    if not policies:
        message = (
            f"no policy governs namespace {model.namespace}, so nothing says where the model may run; "
            "label the namespace so that a SovereigntyPolicy selects it"
        )
        return Verdict(told(reasons.POLICY_COMPLIANT, False, reasons.NOT_GOVERNED, message), stop=True)
    try:
        in_force = [compiled(policy, snapshot, now) for policy in policies]
    except PolicyError as error:
        message = f"a policy can't be compiled: {error}; nothing is changed"
        return Verdict(told(reasons.POLICY_COMPLIANT, None, reasons.POLICY_UNREADABLE, message))
    violations = model_violations(model, in_force, snapshot)
    decision = choose(model, policies, snapshot, patient=_awaited(model, now) < PATIENCE)
    how: Loading | None = None
    if decision.chosen is not None:
        how = loading(model, decision.chosen, policies, snapshot.weights_image)
        violations += unusable_settings(model, decision.chosen)
        violations += [how.problem] if how.problem else []
        pods = templates(model, decision.chosen, [p.name for p in policies], how)
        violations += pod_violations(model, pods, in_force, snapshot, now)
    if violations:
        message = " ".join(dict.fromkeys(violations))
        return Verdict(told(reasons.POLICY_COMPLIANT, False, reasons.POLICY_VIOLATION, message), stop=True)
    under = f"under {', '.join(p.name for p in policies)}"
    compliant = told(reasons.POLICY_COMPLIANT, True, reasons.COMPLIANT, under, expected=True)
    if decision.chosen is None or how is None:
        return Verdict(compliant, decision, stop=True)
    rolling = roll(model, decision.chosen, revision(model, decision.chosen, [p.name for p in policies], how), around)
    run = manifests(model, decision.chosen, policies, how, rolling.plan)
    return Verdict(compliant, decision, run, weights=how, rolling=rolling)
