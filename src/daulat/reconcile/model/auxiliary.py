"""What stands beside a placed model's pods: its autoscaler, its route to the outside, its PodMonitor. And how that stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daulat.api import reasons
from daulat.api.counted import counted
from daulat.api.kinds import Manifest
from daulat.facts.child import Child
from daulat.facts.snapshot import Model, Policy, Snapshot
from daulat.kube.ref import Ref
from daulat.kube.resources import Use, kinds
from daulat.placement.choice import Chosen
from daulat.reconcile.conditions import Condition, condition
from daulat.workload.autoscaling import HPA, SCALED_OBJECT, Scaler, scaler
from daulat.workload.exposure import POOL, ROUTE, route
from daulat.workload.monitoring import POD_MONITOR, pod_monitor

from .decision import Verdict

KINDS = kinds(Use.AUXILIARY)


@dataclass(frozen=True)
class Auxiliary:
    """What is applied after the workload, the conditions of what the model asks for, and the address outside."""

    manifests: tuple[Manifest, ...] = ()
    conditions: tuple[Condition, ...] = ()
    url: str | None = None


def auxiliary(model: Model, policies: Sequence[Policy], verdict: Verdict, snapshot: Snapshot) -> Auxiliary:
    """Return what stands beside the pods; where no pods are wanted, that it isn't decided."""
    chosen = verdict.decision.chosen if verdict.run and verdict.decision is not None else None
    if chosen is None:
        asked = ((reasons.AUTOSCALED, model.spec.autoscaling), (reasons.EXPOSED, model.spec.exposure))
        waits = [
            condition(type_, None, reasons.WAITING_FOR_PLACEMENT, "waits for Placed")
            for type_, asks in asked
            if asks is not None
        ]
        return Auxiliary(conditions=tuple(waits))
    scales, routes = _autoscaled(model, policies, chosen, snapshot), _exposed(model, policies, chosen, snapshot)
    watched: Sequence[Manifest] = ()
    if snapshot.serves(POD_MONITOR):
        watched = pod_monitor(model, [p.spec for p in policies], snapshot.platform, grouped=chosen.devices.nodes > 1)
    return Auxiliary(
        (*scales.manifests, *routes.manifests, *watched), (*scales.conditions, *routes.conditions), routes.url
    )


def unwanted(verdict: Verdict, extras: Auxiliary, made: Sequence[Child]) -> list[Child]:
    """Return what is there beside the pods and is asked for no more, or may be no more. What isn't decided stays."""
    if not verdict.run and not verdict.stop:
        return []
    wanted = {m["kind"] for m in extras.manifests}
    return [c for c in made if c.ref.kind in KINDS and c.ref.kind not in wanted and not c.deleting]


def _own(kind: str, model: Model, snapshot: Snapshot) -> Child | None:
    child = snapshot.children.get(Ref(kind, model.namespace, model.name))
    return child if child is not None and child.owner_uid == model.uid else None


def _autoscaled(model: Model, policies: Sequence[Policy], chosen: Chosen, snapshot: Snapshot) -> Auxiliary:
    pods = snapshot.pods_by_model.get((model.namespace, model.name), ())
    made = scaler(
        model,
        policies,
        snapshot.platform,
        keda=snapshot.serves(SCALED_OBJECT),
        loading=any(p.loading for p in pods),
    )
    if made is None:
        return Auxiliary()
    if made.manifest is None:
        return Auxiliary(conditions=(condition(reasons.AUTOSCALED, False, made.reason, made.problem),))
    kind = made.manifest["kind"]
    other = HPA if kind == SCALED_OBJECT else SCALED_OBJECT
    if _own(other, model, snapshot) is not None:
        # Two would pull at the same number, and KEDA refuses a ScaledObject beside a HorizontalPodAutoscaler.
        message = f"the {kind} is made once the {other} is gone"
        return Auxiliary(conditions=(condition(reasons.AUTOSCALED, False, reasons.AUTOSCALER_MIGRATING, message),))
    waits = sum(bool(p.node) for p in pods) < model.spec.replicas * chosen.devices.nodes
    return Auxiliary((made.manifest,), (_scales(model, made, kind, chosen, waits, snapshot),))


def _scales(model: Model, made: Scaler, kind: str, chosen: Chosen, waits: bool, snapshot: Snapshot) -> Condition:
    asked, child = model.spec.autoscaling, _own(kind, model, snapshot)
    assert asked is not None  # noqa: S101 - there is a scaler
    if made.problem:
        return condition(reasons.AUTOSCALED, False, made.reason, made.problem)
    if child is not None and child.answer is not None and not child.answer.works:
        return condition(reasons.AUTOSCALED, False, reasons.AUTOSCALER_FAILED, f"{kind}: {child.answer.message}")
    if waits and chosen.capacity is not None and model.spec.replicas > chosen.capacity:
        message = (
            f"{counted(model.spec.replicas, 'replica is', 'replicas are')} requested, and zone {chosen.zone} has room for"
            f" {chosen.capacity} on {chosen.choice.profile}: the others stay pending there and don't run in another zone"
        )
        return condition(reasons.AUTOSCALED, False, reasons.EXCEEDS_CAPACITY, message)
    if child is None or child.answer is None:
        return condition(reasons.AUTOSCALED, None, reasons.AUTOSCALER_PENDING, f"the {kind} has scaled nothing yet")
    message = f"{asked.min_replicas} to {counted(asked.max_replicas, 'replica')} by {made.metric}, with a {kind}"
    return condition(reasons.AUTOSCALED, True, reasons.SCALING_ACTIVE, message)


def _exposed(model: Model, policies: Sequence[Policy], chosen: Chosen, snapshot: Snapshot) -> Auxiliary:
    asked, zone = model.spec.exposure, snapshot.known_zones.get(chosen.zone)
    gateway = snapshot.gateways.get(Ref("Gateway", model.namespace, asked.gateway)) if asked is not None else None
    served = {kind: snapshot.serves(kind) for kind in (ROUTE, POOL)}
    made = route(
        model, chosen.zone, zone.spec if zone else None, policies, gateway, served, grouped=chosen.devices.nodes > 1
    )
    if made is None:
        return Auxiliary()
    child = _own(ROUTE, model, snapshot)
    said = child.answer if child is not None and made.manifests else None
    url = made.url if said is not None and said.works and made.url else None
    if made.problem:
        exposed = condition(reasons.EXPOSED, False, made.reason, made.problem)
    elif said is None:
        exposed = condition(reasons.EXPOSED, None, reasons.ROUTE_PENDING, "no Gateway has taken the route yet")
    elif not said.works:
        exposed = condition(reasons.EXPOSED, False, reasons.ROUTE_NOT_ACCEPTED, said.message)
    else:
        exposed = condition(reasons.EXPOSED, True, reasons.ROUTE_ACCEPTED, f"by {made.url or 'the Gateway'}")
    return Auxiliary(made.manifests, (exposed,), url)
