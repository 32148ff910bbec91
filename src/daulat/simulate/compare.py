"""Compares where everything stands before and after a change, with what happened in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daulat.api.counted import counted, few
from daulat.api.policy import EnforcementSource
from daulat.reconcile.policy import gitops

from .admission import Refusal, Rules, refusals
from .change import Changes, check
from .happened import REPLACED, Ended
from .run import Progress, Simulation
from .scheduler import CLAIMS
from .standing import ModelStanding, Place, PolicyStanding, Standing, standing
from .world import Cluster

SAMPLE = 5
"""Pods that a group of evictions names."""
REMOVED, PLACED, RUNS_AGAIN, MOVED, NOT_READY = "removed", "placed", "runs again", "moved", "not ready"
WHATS = (REMOVED, PLACED, RUNS_AGAIN, MOVED, NOT_READY, *(str(each) for each in Place if each is not Place.RUNS))
"""What can become of a model."""
NOT_SIMULATED = (
    "Enforced: that the API server takes up what is applied is assumed",
    "processors, memory, pod affinity, ResourceQuotas and claims of dynamic resource allocation aren't looked at",
    "a pod is taken to be ready 60 s after it is bound, and to end 5 s after it is deleted",
)
"""What holds for every simulation. ``_limits`` names what matters in one of them."""


class NotThere(ValueError):
    """What is to be deleted isn't there."""


@dataclass(frozen=True)
class Eviction:
    """Pods that end for the same cause, policies and reason."""

    policies: tuple[str, ...]
    why: str
    pods: int
    nodes: int
    """The nodes on which they ran."""
    first: float
    """Seconds after the change at which the first of them is deleted."""
    last: float
    sample: tuple[str, ...]
    """Some of the pods, as namespace/name."""
    models: tuple[str, ...]
    """The models that they belong to, as namespace/name."""


@dataclass(frozen=True)
class ModelChange:
    """A model that stands otherwise."""

    namespace: str
    name: str
    what: str
    """One of WHATS."""
    before: ModelStanding | None
    after: ModelStanding | None
    worse: bool


@dataclass(frozen=True)
class PolicyChange:
    """A policy that stands otherwise. None where it isn't there."""

    name: str
    before: PolicyStanding | None
    after: PolicyStanding | None
    worse: bool


@dataclass(frozen=True)
class ExemptionChange:
    """An exemption that applies no more, or applies now."""

    name: str
    active: bool
    reason: str
    message: str


@dataclass(frozen=True)
class WaitingPod:
    """A pod that finds no node, and found one before."""

    namespace: str
    name: str
    why: str


@dataclass(frozen=True)
class Outcome:
    """What a change does."""

    changes: int
    converged: bool
    """Whether a point was reached after which nothing changes any more."""
    seconds: float
    """Virtual seconds from the change until then."""
    passes: int
    policies: tuple[PolicyChange, ...]
    models: tuple[ModelChange, ...]
    evictions: tuple[Eviction, ...]
    waiting: tuple[WaitingPod, ...]
    refused: tuple[Refusal, ...]
    exemptions: tuple[ExemptionChange, ...]
    under_way: int
    """Running pods that end without the change, as soon as the operator goes on with what it has begun."""
    notes: tuple[str, ...] = NOT_SIMULATED
    """What isn't simulated: what this outcome depends on first."""

    @property
    def worse(self) -> bool:
        """Whether anything gets worse."""
        lost = any(not e.active for e in self.exemptions)
        objects = any(m.worse for m in self.models) or any(p.worse for p in self.policies)
        return objects or lost or bool(self.evictions or self.waiting or self.refused)


def simulate(
    cluster: Cluster, changes: Sequence[Changes], within: float, progress: Progress = lambda passes, passed: None
) -> Outcome:
    """Return what the changes do within so many seconds. Raises NotThere.

    The copy is first driven to a fixed point without the changes, so that what is under way isn't taken for their effect.
    """
    simulation = Simulation(cluster, progress)
    world = simulation.world
    if missing := check(changes, world.objects):
        raise NotThere("; ".join(missing))
    simulation.settle(within)
    under_way = len(simulation.pods.ended)
    before = standing(world.snapshot, simulation.pods.unplaced)
    rules, running = Rules.of(world), [(r, p) for r, p in world.of_kind("Pod") if p["spec"].get("nodeName")]
    began, passes = world.now, simulation.passes
    simulation.pods.unweighed.clear()
    for change in changes:
        simulation.change(change)
    converged = simulation.settle(within)
    after = standing(world.snapshot, simulation.pods.unplaced)
    return Outcome(
        changes=len(changes),
        converged=converged,
        seconds=round(simulation.last_change - began, 1),
        passes=simulation.passes - passes,
        policies=tuple(_policies(before, after)),
        models=tuple(_models(before, after)),
        evictions=tuple(_evictions(simulation.pods.ended[under_way:], began)),
        waiting=tuple(
            WaitingPod(r.namespace, r.name, why) for r, why in after.waiting.items() if r not in before.waiting
        ),
        refused=tuple(refusals(rules, Rules.of(world), running, world)),
        exemptions=tuple(_exemptions(before, after)),
        under_way=under_way,
        notes=(*_limits(simulation), *NOT_SIMULATED),
    )


def _limits(simulation: Simulation) -> Iterator[str]:
    """Yield what isn't simulated and matters here, by the objects that it is about."""
    pods, world = simulation.pods, simulation.world
    if count := len(pods.unweighed):
        they = "it requests" if count == 1 else "they request"
        yield f"{counted(count, 'pod is', 'pods are')} bound without regard to the processors and memory that {they}"
    if count := sum(why == CLAIMS for why in pods.unplaced.values()):
        yield f"{counted(count, 'pod waits', 'pods wait')} here, since claims of dynamic resource allocation aren't allocated"
    policies = world.snapshot.known_policies
    applied = sorted(name for name, p in policies.items() if gitops.source(p) is EnforcementSource.GITOPS)
    if applied:
        yield f"the admission policies of {few(applied, SAMPLE)}, which GitOps applies, stay as they are"


def _policies(before: Standing, after: Standing) -> list[PolicyChange]:
    found = []
    for name in sorted({*before.policies, *after.policies}):
        was, will_be = before.policies.get(name), after.policies.get(name)
        if was != will_be:
            found.append(PolicyChange(name, was, will_be, _is_worse(was, will_be)))
    return found


def _is_worse(was: PolicyStanding | None, will_be: PolicyStanding | None) -> bool:
    if was is None or will_be is None:
        return will_be is None or bool(will_be.problems)
    lost = will_be.eligible_nodes < was.eligible_nodes or will_be.namespaces < was.namespaces
    return lost or will_be.held > was.held or bool(will_be.problems.keys() - was.problems.keys())


def _models(before: Standing, after: Standing) -> list[ModelChange]:
    found = []
    for ref in sorted({*before.models, *after.models}):
        was, will_be = before.models.get(ref), after.models.get(ref)
        what = _what(was, will_be)
        if what:
            worse = what not in (PLACED, RUNS_AGAIN, REMOVED)
            found.append(ModelChange(ref.namespace, ref.name, what, was, will_be, worse))
    return found


def _what(was: ModelStanding | None, will_be: ModelStanding | None) -> str:
    if will_be is None:
        return REMOVED
    stood = was is not None and was.place is Place.RUNS
    if will_be.place is not Place.RUNS:
        same = was is not None and (was.place, was.reason) == (will_be.place, will_be.reason)
        return "" if same else str(will_be.place)
    if was is None:
        return PLACED
    if not stood:
        return RUNS_AGAIN
    if (was.zone, was.accelerator) != (will_be.zone, will_be.accelerator):
        return MOVED
    return NOT_READY if will_be.reason and not was.reason else ""


def _evictions(ended: Sequence[Ended], began: float) -> list[Eviction]:
    groups: dict[tuple[tuple[str, ...], str], list[Ended]] = {}
    for each in ended:
        if each.why != REPLACED:  # A model that rolls keeps serving; where it goes is told of the model.
            # The nodes are counted, so that a zone of a thousand nodes is one cause.
            groups.setdefault((each.policies, each.why.removeprefix(f"{each.node} ")), []).append(each)
    return [
        Eviction(
            policies,
            why,
            len(group),
            len({e.node for e in group}),
            round(group[0].at - began, 1),
            round(group[-1].at - began, 1),
            tuple(f"{e.namespace}/{e.name}" for e in group[:SAMPLE]),
            tuple(sorted({f"{e.namespace}/{e.model}" for e in group if e.model})),
        )
        for (policies, why), group in sorted(groups.items(), key=_time)
    ]


def _time(item: tuple[tuple[tuple[str, ...], str], list[Ended]]) -> tuple[float, tuple[str, ...], str]:
    (policies, why), group = item
    return group[0].at, policies, why


def _exemptions(before: Standing, after: Standing) -> list[ExemptionChange]:
    found = []
    for name in sorted({*before.exemptions, *after.exemptions}):
        was, will_be = before.exemptions.get(name), after.exemptions.get(name)
        if (was is not None and was.active) != (will_be is not None and will_be.active):
            reason, message = (will_be.reason, will_be.message) if will_be is not None else ("Removed", "it is deleted")
            found.append(ExemptionChange(name, will_be is not None and will_be.active, reason, message))
    return found
