"""Brings a model to where policies let it run, or says why it doesn't run. No pod is made until every check holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from daulat.api import reasons
from daulat.api.counted import counted
from daulat.api.kinds import Manifest
from daulat.api.model import Placement
from daulat.api.names import INPUTS_ANNOTATION
from daulat.facts.child import WORKLOADS, Child
from daulat.facts.declared import Unparsable
from daulat.facts.pod import Pod
from daulat.facts.report import Report
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile.conditions import condition, conditions_change, status_change
from daulat.reconcile.policy.drift import is_stranded, outlook
from daulat.reconcile.result import Adjust, Apply, Delete, Result
from daulat.workload.network import default_deny

from .abandoned import RETRY as HELD
from .abandoned import astray, foreign, of_deleted, of_gone
from .auxiliary import KINDS as AUXILIARY
from .auxiliary import auxiliary, unwanted
from .blockers import blocker
from .capacity import KEY as CAPACITY
from .decision import PATIENCE, Verdict, decide, former_policies, waited
from .drifting import again as again_for_drift
from .drifting import tolerated
from .eviction import braked, is_held, moved, stopped, was_held
from .rolling import ModelState, is_needed
from .status import Serving, conditions, fields
from .termination import ends_together, left, with_pod_owners
from .upgrade import kept, next_in_turn

RETRY = 15.0
"""Seconds after which a model that the API server refused is tried again."""


def reconcile_model(ref: Ref, snapshot: Snapshot, now: float) -> Result:
    """Return what the model needs, and its status."""
    model = snapshot.models.get(ref)
    if model is None:
        return Result(
            evict=tuple(of_gone(ref, snapshot, now)),
            requeue_after=HELD if astray(ref, "", snapshot) else None,
            # It may have been the one that others wait for.
            enqueue=tuple(next_in_turn(ref, snapshot)),
        )
    if isinstance(model, Unparsable):
        invalid = condition(reasons.READY, False, reasons.INVALID, model.reason)
        # Where it stands isn't forgotten: it can be read again after an upgrade.
        change = conditions_change(ref, model, [invalid], now)
        return Result(status=change.status, events=change.events)
    made = [c for c in snapshot.children_by_model.get((model.namespace, model.name), ()) if c.owner_uid == model.uid]
    if model.deleting:
        message = "the model is being deleted, and so is its workload"
        deleting = condition(reasons.READY, False, reasons.DELETING, message)
        change = conditions_change(ref, model, [deleting], now)
        ends = of_deleted([*made, *astray(ref, model.uid, snapshot)])
        return Result(evict=tuple(ends), status=change.status, events=change.events)
    policies = snapshot.governing(model.namespace)
    pods = snapshot.pods_by_model.get((model.namespace, model.name), ())
    state = ModelState(snapshot, made, pods, now)
    # Where none governs it any more, the policies under which it was placed say how much may go at a time.
    former = (snapshot.known_policies.get(name) for name in former_policies(model))
    braking = policies or [policy for policy in former if policy is not None]
    verdict = braked(model, tolerated(model, policies, decide(model, policies, state), state), braking, state)
    return _carried_out(ref, model, policies, verdict, state)


def _carried_out(ref: Ref, model: Model, policies: Sequence[Policy], verdict: Verdict, state: ModelState) -> Result:
    snapshot, made, pods, now = state.snapshot, state.made, state.pods, state.now
    report = snapshot.reports.get(ref, Report())
    extras = auxiliary(model, policies, verdict, snapshot)
    # Extras last, since an autoscaler reads the selector of the pods in the status.
    waits = verdict.rolling is not None and verdict.rolling.upgrade is not None and verdict.rolling.upgrade.waits
    run = kept(verdict.run) if waits else verdict.run
    makes: list[Apply | Adjust] = [Apply(m) for m in [*_guarded(model, run, pods), *extras.manifests]]
    makes += _adjusted(verdict.run, verdict.inputs, state) if waits else []
    on_ineligible = {p: why for p in pods if (why := is_stranded(p, policies, snapshot))}
    serving = Serving(
        model,
        verdict,
        made,
        pods,
        report.apply or None,
        report.differs,
        blocker(model, snapshot, state.terminating),
        state.terminating,
        _outlook(on_ineligible, policies, state),
        report.evict,
    )
    said = conditions(serving)
    status = fields(serving, policies, said, extras.url, now)
    change = status_change(ref, model, [*said, *extras.conditions], status, now)
    evict = [Delete(c.ref, c.uid) for c in unwanted(verdict, extras, made)]
    strays = astray(ref, model.uid, snapshot)
    if verdict.stop:
        evict += stopped(model, policies, verdict, [*made, *strays], pods)
    elif verdict.run:
        evict += foreign(ref, strays, verdict.run, snapshot, now)
    evict += moved(policies, verdict, on_ineligible, state)
    again = [RETRY] if report.apply else [HELD] if strays else []
    if verdict.decision is not None and verdict.decision.reason == reasons.WAITING_FOR_SCHEDULING:
        again.append(max(PATIENCE - waited(model, now), 0) + 1)
    again += [verdict.rolling.again] if verdict.rolling is not None and verdict.rolling.again is not None else []
    again += [late] if (late := left(state.terminating, now)) is not None else []
    again += [ends] if (ends := again_for_drift(verdict, now)) is not None else []
    turn = reasons.UPGRADING in {c.reason for c in said}
    had_turn = _has_turn(ref, model, snapshot)
    enqueue: tuple[Ref, ...] = (CAPACITY,) if _gives_up(model, status.placement) else ()
    if any(d.charged_to for d in evict) or is_held(verdict) or was_held(model):
        enqueue += tuple(Ref("SovereigntyPolicy", "", p.name) for p in policies)
    enqueue += tuple(next_in_turn(ref, snapshot)) if had_turn and not turn else ()
    return Result(
        # What is promised is written down before it is acted on: a new leader gives away no devices that pods are about to take,
        # and upgrades no second model.
        reserve=change.status if makes and (_takes(model, status.placement) or (turn and not had_turn)) else (),
        apply=tuple(makes),
        evict=tuple(evict),
        sweep=tuple(
            Delete(c.ref, c.uid, foreground=ends_together(c, pods)) for c in _left_over(model, verdict, made, pods)
        ),
        status=change.status,
        events=change.events,
        requeue_after=min(again, default=None),
        enqueue=enqueue,
    )


def _adjusted(run: Sequence[Manifest], inputs: str, state: ModelState) -> Iterator[Adjust]:
    """Return what is changed of the workloads of a model that waits: the replicas of a Deployment, and a digest that is missing.

    From then on a change of the model is told apart from one of the release.
    """
    wanted = next((m["spec"]["replicas"] for m in run if m["kind"] == "Deployment"), None)
    for child in state.made:
        if child.ref.kind in WORKLOADS and not child.deleting:
            replicas = wanted if child.ref.kind == "Deployment" and wanted != child.wanted else None
            notes = {} if child.inputs else {INPUTS_ANNOTATION: inputs}
            if replicas is not None or notes:
                yield Adjust(child.ref, child.uid, replicas, notes)


def _has_turn(ref: Ref, model: Model, snapshot: Snapshot) -> bool:
    """Say whether the model is the one that is being upgraded, by its latest status."""
    stood = snapshot.latest_status(ref, model).condition(reasons.UPGRADED)
    return stood is not None and stood.reason == reasons.UPGRADING


def _takes(model: Model, after: Placement | None) -> bool:
    """Say whether the model takes devices that its status doesn't say yet."""
    was, will_be = model.status.placement or Placement(), after or Placement()
    return (was.zone, was.accelerator, was.resource) != (will_be.zone, will_be.accelerator, will_be.resource)


def _outlook(on_ineligible: Mapping[Pod, str], policies: Sequence[Policy], state: ModelState) -> str:
    """Return where pods are that must not be there, and what becomes of them; empty where there are none."""
    if not on_ineligible:
        return ""
    first = min(on_ineligible, key=lambda p: p.name)
    more = f" (and {counted(len(on_ineligible) - 1, 'more such pod')})" if on_ineligible.keys() - {first} else ""
    becomes = outlook(policies, state.snapshot, state.now)
    return f"pod {first.name}{more}: its node {on_ineligible[first]}; {becomes}"


def _guarded(model: Model, manifests: Sequence[Manifest], pods: Sequence[Pod]) -> list[Manifest]:
    """Let the network of pods stay closed until they have ended, whoever deletes the model before.

    Pods that may take long over it keep what they are allowed, too, to go on with the requests that they have.
    """
    if not manifests:
        return []
    return [
        default_deny(model.namespace),
        *(with_pod_owners(m, pods) if m["kind"] == "NetworkPolicy" else m for m in manifests),
    ]


def _gives_up(model: Model, after: Placement | None) -> bool:
    """Say whether the model leaves devices to others that no pod of its need have held."""
    was, will_be = model.status.placement or Placement(), after or Placement()
    moves = ((was.zone, will_be.zone), (was.accelerator, will_be.accelerator))
    return any(former and former != later for former, later in moves)


def _left_over(model: Model, verdict: Verdict, made: Sequence[Child], pods: Sequence[Pod]) -> list[Child]:
    """Return what is there and isn't wanted any more, since what is applied replaces it."""
    if not verdict.run or verdict.rolling is None:
        return []
    there = [c for c in made if not c.deleting and c.ref.kind not in AUXILIARY]
    wanted = {Ref.of(m["kind"], m) for m in verdict.run}
    placed = verdict.decision.chosen if verdict.decision else None
    expected, revision = model.spec.replicas * (placed.devices.nodes if placed else 1), verdict.rolling.revision
    old = [c for c in there if c.ref not in wanted and not verdict.rolling.keeps(c)]
    return [c for c in old if c.ref.kind != "ResourceClaimTemplate" or not is_needed(c, pods, revision, expected)]
