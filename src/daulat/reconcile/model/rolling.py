"""Brings a model's pods from what they are to what they are to be: by a Deployment, or group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from daulat.api.model import DrainStatus
from daulat.facts.child import WORKLOADS, Child
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Model, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.choice import Chosen
from daulat.reconcile.policy import drift
from daulat.workload.plan import Plan

from .drain import Drain, drain
from .groups import Existing, existing, numbers_of, plan
from .rollout import complete, surges
from .termination import gives_back, terminating
from .upgrade import RECHECK, Upgrade, time_left, upgrade


@dataclass(frozen=True)
class ModelState:
    """What a model's pods are decided on."""

    snapshot: Snapshot
    made: Sequence[Child]
    """What was made for the model."""
    pods: Sequence[Pod]
    now: float

    @cached_property
    def terminating(self) -> tuple[Pod, ...]:
        """The pods that are on their way out, and have time left for that."""
        return terminating(self.pods, self.snapshot, self.now)

    @property
    def deployment(self) -> Child | None:
        """The model's Deployment, where there is one."""
        return next((c for c in self.made if c.ref.kind == "Deployment" and not c.deleting), None)


@dataclass(frozen=True)
class Rolling:
    """How a model's replicas are replaced in this pass."""

    revision: str
    """Of the pod template that all of them are to have."""
    plan: Plan
    former: frozenset[int] = frozenset()
    """Groups of former settings that stay for now."""
    deployment_stays: bool = False
    """Whether a Deployment of former settings stays for now."""
    waiting: int = 0
    """Replicas that wait for room."""
    drain: DrainStatus | None = None
    """The status block, while pods are on nodes that are being drained."""
    again: float | None = None
    """Seconds after which to look again."""
    upgrade: Upgrade | None = None
    """Where the model stands in an upgrade of the operator, if that renders other pods."""
    ends: tuple[Pod, ...] = ()
    """Pods to delete: their node isn't eligible any more, and others serve."""
    ended_groups: frozenset[int] = frozenset()
    """Groups to delete for the same reason."""

    def keeps(self, child: Child) -> bool:
        """Say whether an object stays that isn't applied any more."""
        if child.ref.kind == "Deployment":
            return self.deployment_stays
        return child.group.isdigit() and int(child.group) in self.former | self.ended_groups

    def ends_group(self, child: Child) -> bool:
        """Say whether an object makes the pods of a group that is to end."""
        return child.ref.kind in WORKLOADS and child.group.isdigit() and int(child.group) in self.ended_groups


def roll(model: Model, chosen: Chosen, revision: str, state: ModelState) -> Rolling:
    """Return how the model's pods are replaced, so that what serves goes on as long as there is room for both."""
    there = existing(state.made, state.pods)
    leaving = drain(model, chosen, state.pods, state.terminating, state.snapshot, state.now)
    if chosen.devices.nodes == 1:
        return _by_deployment(model, chosen, revision, state, there, leaving)
    taken = numbers_of(state.made, state.pods)
    waits = bool(state.terminating)
    snapshot, policies = state.snapshot, state.snapshot.governing(model.namespace)
    moving = frozenset(p for p in state.pods if drift.moves(p, policies, snapshot))
    groups = plan(model, chosen, revision, there, snapshot, state.now, taken=taken, waits=waits, moving=moving)
    deployment = state.deployment
    # The Deployment of a time when a replica had one node serves on, unless the groups need its devices.
    stays = deployment is not None and groups.waiting == 0 and not _all_ready(there, revision, model.spec.replicas)
    again = [a for a in (groups.again, leaving.again) if a is not None]
    return Rolling(
        revision,
        Plan(model.spec.replicas, evictable=leaving.evictable, groups=groups.wanted),
        former=groups.former,
        ended_groups=groups.ends,
        deployment_stays=stays,
        waiting=groups.waiting,
        drain=leaving.status,
        again=min(again, default=None),
    )


def wait_or_roll(model: Model, chosen: Chosen, revision: str, inputs: str, state: ModelState) -> Rolling:
    """Return the same for a model whose turn in an upgrade of the operator may not have come: then its pods stay as they are."""
    ref = Ref("SovereignModel", model.namespace, model.name)
    found = upgrade(ref, model, revision, inputs, state.made, state.snapshot, state.now)
    if found is None or not found.waits:
        rolling = roll(model, chosen, revision, state)
        left = time_left(ref, model, state.snapshot, state.now) if found is not None else None
        again = min((a for a in (rolling.again, left) if a is not None and a > 0), default=None)
        return replace(rolling, upgrade=found, again=again)
    deployment = state.deployment
    if deployment is not None and chosen.devices.nodes == 1:
        rolling = roll(model, chosen, deployment.revision, state)
    else:
        there = existing(state.made, state.pods)
        numbers = frozenset(g.number for g in there)
        stands = there[0].revision if there else revision
        rolling = Rolling(stands, Plan(model.spec.replicas), former=numbers)
    again = min(RECHECK, rolling.again if rolling.again is not None else RECHECK)
    return replace(rolling, upgrade=found, again=again)


def is_needed(template: Child, pods: Sequence[Pod], revision: str, expected: int) -> bool:
    """Say whether pods may still claim devices by a ResourceClaimTemplate that isn't the model's any more.

    While a rollout is under way, or where one has failed, pods of the former template may be created again: it stays until all
    ``expected`` pods are of this revision and ready.
    """
    settled = len(pods) >= expected and all(pod.ready and pod.revision == revision for pod in pods)
    return not settled or any(template.ref.name in pod.claim_templates for pod in pods)


def _by_deployment(
    model: Model, chosen: Chosen, revision: str, state: ModelState, there: Sequence[Existing], leaving: Drain
) -> Rolling:
    deployment = state.deployment
    pods = [p for p in state.pods if not p.group]
    done = deployment is not None and deployment.revision == revision and complete(deployment)
    missing = model.spec.replicas - sum(bool(p.node) for p in pods)
    both = not done and sum(chosen.room.values()) >= missing
    coming = gives_back([p for p in state.terminating if not p.group], chosen, state.snapshot)
    surge = surges(chosen, revision, deployment, pods, coming)
    return Rolling(
        revision,
        Plan(model.spec.replicas + leaving.extra, surge, leaving.evictable),
        former=frozenset(g.number for g in there) if both else frozenset(),
        drain=leaving.status,
        again=leaving.again,
        ends=leaving.ends,
    )


def _all_ready(there: Sequence[Existing], revision: str, replicas: int) -> bool:
    return sum(g.ready for g in there if g.revision == revision) >= replicas
