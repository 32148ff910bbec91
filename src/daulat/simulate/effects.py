"""Carries the results of reconcilers out on the copy, as the operator does in a cluster where every request succeeds."""

from __future__ import annotations

from daulat.admission.node_selector import with_pins
from daulat.api.names import MODEL_LABEL, UNDECIDED_TAINT
from daulat.facts.charge import Charge
from daulat.facts.child import WORKLOADS
from daulat.facts.snapshot import Canary, Proof
from daulat.kube.ref import Ref
from daulat.reconcile.result import (
    Adjust,
    Apply,
    ApplyForeignStatus,
    ApplyStatus,
    Delete,
    DryRunPod,
    Effect,
    EmitEvent,
    PatchNode,
    PinNamespace,
)

from .pods import Pods
from .world import World


class Effects:
    """Carries effects out."""

    def __init__(self, world: World, pods: Pods) -> None:
        self._world, self._pods = world, pods

    def charge(self, effect: Delete) -> None:
        """Charge a deletion to the brakes of its policies, as the operator does when it decides on it."""
        for policy in effect.charged_to if effect.pods else ():
            charge = Charge(effect.charge_id or effect.uid, effect.pods, self._world.now)
            self._world.store.record_charge(policy, charge)

    def run(self, effect: Effect) -> None:
        """Carry one effect out."""
        match effect:
            case Apply():
                self._world.apply(effect.manifest["kind"], effect.manifest)
            case Adjust():
                self._adjust(effect)
            case PatchNode():
                self._patch_node(effect)
            case PinNamespace():
                self._pin_namespace(effect)
            case DryRunPod():
                self._dry_run(effect)
            case Delete():
                self._delete(effect)
            case ApplyStatus():
                live = self._world.objects.get(effect.ref)
                if live is not None and live["metadata"].get("uid") == effect.uid:
                    self._world.edit(effect.ref, status=effect.status)
            case EmitEvent() | ApplyForeignStatus():
                pass  # The copy has none of Kueue's objects.

    def _adjust(self, effect: Adjust) -> None:
        live = self._world.objects.get(effect.ref)
        if live is None:
            return
        meta, spec = dict(live["metadata"]), dict(live["spec"])
        meta["annotations"] = {**(meta.get("annotations") or {}), **effect.annotations}
        if effect.replicas is not None:
            spec["replicas"] = effect.replicas
        self._world.edit(effect.ref, metadata=meta, spec=spec)

    def _patch_node(self, effect: PatchNode) -> None:
        ref = Ref("Node", "", effect.name)
        live = self._world.objects.get(ref)
        if live is None:
            return
        labels = {**(live["metadata"].get("labels") or {}), **effect.labels}
        meta = {**live["metadata"], "labels": {k: v for k, v in labels.items() if v is not None}}
        spec = dict(live.get("spec") or {})
        if effect.taint is not None:
            others = [t for t in spec.get("taints") or () if t.get("key") != UNDECIDED_TAINT]
            spec["taints"] = [*others, *([{"key": UNDECIDED_TAINT, "effect": "NoSchedule"}] if effect.taint else [])]
        self._world.edit(ref, metadata=meta, spec=spec)

    def _pin_namespace(self, effect: PinNamespace) -> None:
        ref = Ref("Namespace", "", effect.name)
        live = self._world.objects.get(ref)
        if live is not None:
            annotations = dict(live["metadata"].get("annotations") or {})
            annotations[effect.annotation] = with_pins(annotations.get(effect.annotation) or "", effect.labels)
            self._world.edit(ref, metadata={**live["metadata"], "annotations": annotations})

    def _dry_run(self, effect: DryRunPod) -> None:
        """Answer as an API server does in which what was applied is in force: whether it is can't be simulated."""
        world, namespace = self._world, str(effect.pod["metadata"]["namespace"])
        if effect.selector is None:
            world.store.record_canary(effect.policy, Canary(namespace, False, "simulated: admitted", world.now), None)
            return
        message = f"simulated: refused by revision {effect.revision}"
        canary = Canary(namespace, True, message, world.now, annotated=True)
        proof = Proof(effect.revision, effect.generation, effect.selector, world.now)
        world.store.record_canary(effect.policy, canary, proof)

    def _delete(self, effect: Delete) -> None:
        live = self._world.objects.get(effect.ref)
        if live is None or live["metadata"].get("uid") != effect.uid:
            return
        why = effect.event.message.removeprefix("deleted: ") if effect.event is not None else ""
        if effect.ref.kind == "Pod":
            self._pods.end(effect.ref, effect.charged_to, why)
        elif effect.ref.kind in WORKLOADS:
            model = str((live["metadata"].get("labels") or {}).get(MODEL_LABEL) or "")
            self._pods.end_workload(effect.ref, effect.charged_to, why or f"the workload of model {model} is deleted")
        else:
            self._world.remove(effect.ref)
