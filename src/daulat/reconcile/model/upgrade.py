"""Staggers what an upgrade would do to all models at once: where a release renders other pods, models are replaced one at a time.

A workload carries a digest of what its model says of its pods and of where they run. Where the workload's template isn't the one
that this release renders, and that digest is the same, the difference comes from what all models share: the release with its
catalogue, an AcceleratorProfile, a value of the chart. Then the model waits for its turn, and what runs of it stays as it is. A
change of the model, of its placement, or of the policies that govern it waits for nothing.

Where the chart pauses upgrades, no model takes a turn; one that has it keeps it to its end.

The turn is in the status of the model that has it, so that it outlives the operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daulat.api import reasons
from daulat.api.counted import counted, either
from daulat.api.digest import digest
from daulat.api.kinds import Manifest
from daulat.api.names import INPUTS_ANNOTATION
from daulat.api.timestamps import seconds
from daulat.facts.child import WORKLOADS, Child
from daulat.facts.snapshot import Model, Snapshot
from daulat.kube.ref import Ref
from daulat.placement.choice import Chosen
from daulat.placement.loading import Loading
from daulat.reconcile.conditions import Condition, condition
from daulat.workload.container import PRESTOP_SECONDS
from daulat.workload.manifests import DEADLINE

from .rollout import complete

NOT_OF_PODS = frozenset({"replicas", "autoscaling", "exposure", "accelerators"})
"""Fields of a model's spec that its pods don't depend on; of the accelerators, they depend on the chosen one."""
RECHECK = 300.0
"""Seconds after which a model that waits looks again. The one before it wakes it sooner."""


@dataclass(frozen=True)
class Upgrade:
    """Where a model stands whose pods the operator's former release rendered."""

    reason: str
    message: str

    @property
    def waits(self) -> bool:
        """Whether its pods stay as they are for now."""
        return self.reason in (reasons.UPGRADE_PENDING, reasons.UPGRADES_PAUSED)

    @property
    def condition(self) -> Condition:
        """The condition ``Upgraded``, Unknown during the rollout, so that it says since when that lasts."""
        holds = None if self.reason == reasons.UPGRADING else False
        # That a model waits is no Event: nothing is wrong, and all but one do.
        return condition(
            reasons.UPGRADED,
            holds,
            self.reason,
            self.message,
            good="False" if self.waits else "True",
            initial=self.waits,
        )


def inputs(model: Model, chosen: Chosen, policies: Sequence[str], how: Loading) -> str:
    """Return the digest of what a model alone has to say about its pods. It is the same for every release."""
    wrote = model.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    devices = chosen.devices
    where = [chosen.zone, chosen.resource, chosen.claim is not None, devices.per_node, devices.nodes]
    return digest(
        [
            {key: value for key, value in wrote.items() if key not in NOT_OF_PODS},
            chosen.choice.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"count", "nodes"}),
            [*where, devices.tensor_parallel, devices.pipeline_parallel],
            sorted(policies),
            # Not the image that fetches: it is the release's, and a model that stands keeps its own.
            [how.fetched, how.endpoint, how.trust],
        ]
    )


def upgrade(
    ref: Ref, model: Model, revision: str, digest_of_inputs: str, made: Sequence[Child], snapshot: Snapshot, now: float
) -> Upgrade | None:
    """Return where the model stands; None where an upgrade has nothing to do with its pods. ``revision``: the one to be."""
    workloads = [c for c in made if c.ref.kind in WORKLOADS and not c.deleting]
    outdated = [c for c in workloads if c.revision != revision]
    before = snapshot.latest_status(ref, model).condition(reasons.UPGRADED)
    stood = before.reason if before is not None else ""
    began = stood in (reasons.UPGRADING, reasons.UPGRADE_FAILED)
    if not outdated:
        return _under_way(ref, model, workloads, snapshot, now) if began and not _done(model, workloads) else None
    if not model.spec.replicas or any(c.inputs not in ("", digest_of_inputs) for c in outdated):
        return None
    if began:
        return _under_way(ref, model, workloads, snapshot, now)
    if len(outdated) < len(workloads):
        return None  # A rollout that was under way goes on.
    if snapshot.platform.pause_upgrades:
        message = "waits because models.pauseUpgrades of the chart is true; the pods that it has go on"
        return Upgrade(reasons.UPGRADES_PAUSED, message)
    others = list(_at(reasons.UPGRADING, snapshot, besides=ref))
    if others:
        waiting = sum(1 for _ in _at(reasons.UPGRADE_PENDING, snapshot, besides=ref))
        also = f", and so {either(waiting, 'does', 'do')} {counted(waiting, 'other model')}" if waiting else ""
        message = (
            f"waits until model {others[0].namespace}/{others[0].name} is upgraded{also}; the pods that it has go on"
        )
        return Upgrade(reasons.UPGRADE_PENDING, message)
    return Upgrade(
        reasons.UPGRADING, "the operator's release renders other pods for the model; its replicas are replaced"
    )


def next_in_turn(ref: Ref, snapshot: Snapshot) -> Iterator[Ref]:
    """Return the model that is next once this one has given its turn back, if any waits and no other has the turn."""
    if next(_at(reasons.UPGRADING, snapshot, besides=ref), None) is None:
        yield from list(_at(reasons.UPGRADE_PENDING, snapshot, besides=ref))[:1]


def noted(manifests: Sequence[Manifest], digest_of_inputs: str) -> list[Manifest]:
    """Return the manifests with the digest on every workload, and on no pod."""
    return [_noted(m, digest_of_inputs) if m["kind"] in WORKLOADS else m for m in manifests]


def kept(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Return what is still applied of a model that waits: all but what its pods are made by. Policies close its network as ever."""
    return [m for m in manifests if m["kind"] not in WORKLOADS and m["kind"] != "ResourceClaimTemplate"]


def time_left(ref: Ref, model: Model, snapshot: Snapshot, now: float) -> float:
    """Return for how many seconds the model may still keep the turn."""
    before = snapshot.latest_status(ref, model).condition(reasons.UPGRADED)
    allowed = DEADLINE + model.spec.engine.grace_seconds - PRESTOP_SECONDS
    if before is None or before.reason != reasons.UPGRADING:
        return allowed
    return seconds(before.last_transition_time) + allowed - now


def _under_way(ref: Ref, model: Model, workloads: Sequence[Child], snapshot: Snapshot, now: float) -> Upgrade:
    before = snapshot.latest_status(ref, model).condition(reasons.UPGRADED)
    failed = before is not None and before.reason == reasons.UPGRADE_FAILED
    if failed or any(c.stalled for c in workloads) or time_left(ref, model, snapshot, now) <= 0:
        message = "its replicas didn't become ready in time as the operator's release renders them; RolledOut says why"
        return Upgrade(reasons.UPGRADE_FAILED, f"{message}. The next model is upgraded")
    return Upgrade(
        reasons.UPGRADING, "the operator's release renders other pods for the model; its replicas are replaced"
    )


def _done(model: Model, workloads: Sequence[Child]) -> bool:
    deployments = [c for c in workloads if c.ref.kind == "Deployment"]
    if deployments:
        return all(map(complete, deployments))
    ready = {c.group for c in workloads} - {c.group for c in workloads if not 0 < c.wanted <= c.ready_replicas}
    return len(ready) >= model.spec.replicas


def _at(reason: str, snapshot: Snapshot, *, besides: Ref) -> Iterator[Ref]:
    for ref, model in snapshot.known_models.items():
        if ref != besides and not model.deleting:
            found = snapshot.latest_status(ref, model).condition(reasons.UPGRADED)
            if found is not None and found.reason == reason:
                yield ref


def _noted(manifest: Manifest, digest_of_inputs: str) -> Manifest:
    metadata = manifest["metadata"]
    notes = {**metadata.get("annotations", {}), INPUTS_ANNOTATION: digest_of_inputs}
    return {**manifest, "metadata": {**metadata, "annotations": notes}}
