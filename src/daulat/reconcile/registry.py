"""Which reconciler a key belongs to, and which keys a changed fact concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from daulat.admission.advice import SUFFIX
from daulat.admission.ungoverned import UNGOVERNED
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.placement.certify import left_over
from daulat.workload.network import DEFAULT_DENY

from .inventory.nodes import reconcile_node
from .inventory.zones import reconcile_profile, reconcile_zone
from .model import default_deny
from .model.capacity import KEY as ROOM
from .model.capacity import reconcile_room
from .model.default_deny import reconcile_default_deny
from .model.reconciler import reconcile_model
from .policy import advice, drift
from .policy.advice import reconcile_advice
from .policy.exemptions import reconcile_exemption
from .policy.reconciler import reconcile_policy
from .policy.ungoverned import KEY as UNGOVERNED_KEY
from .policy.ungoverned import reconcile_ungoverned
from .result import Outcome

NAMED_AFTER = 24
"""Characters of a model's name that begin the name of everything that is made for it, however it is shortened."""

Reconciler = Callable[[Ref, Snapshot, float], Outcome]

RECONCILERS: dict[str, Reconciler] = {
    "Node": reconcile_node,
    "SovereignZone": reconcile_zone,
    "AcceleratorProfile": reconcile_profile,
    "SovereigntyPolicy": reconcile_policy,
    "SovereigntyExemption": reconcile_exemption,
    "SovereignModel": reconcile_model,
    "Ungoverned": reconcile_ungoverned,
    "Room": reconcile_room,
    default_deny.KIND: reconcile_default_deny,
    advice.KIND: reconcile_advice,
}


def concerned(changed: Ref, snapshot: Snapshot) -> Iterable[Ref]:
    """Return the keys to look at again after a fact about this object changed."""
    match changed.kind:
        case "SovereignZone" | "AcceleratorProfile" | "SovereigntyPolicy":
            yield from everything(snapshot)
            yield changed
        case "SovereigntyExemption":
            yield changed
            yield from _named("SovereigntyPolicy", snapshot.policies)
            yield from snapshot.models
        case "ResourceSlice":
            # Which nodes it was about isn't known any more where it is gone.
            part = snapshot.slices.get(changed.name)
            here = [part.reach.node] if part and part.reach and part.reach.node else sorted(snapshot.nodes)
            yield from _named("Node", here)
            yield from _named("AcceleratorProfile", snapshot.profiles)
            yield from _named("SovereigntyPolicy", snapshot.policies)
            yield from snapshot.models
        case "ResourceClaim":
            yield ROOM
        case "Node":
            yield changed
            yield from _named("SovereignZone", snapshot.zones)
            yield from _named("AcceleratorProfile", snapshot.profiles)
            yield from _named("SovereigntyPolicy", snapshot.policies)
            yield from snapshot.models
        case "Namespace":
            yield from _named("SovereigntyPolicy", snapshot.policies)
            yield from (ref for ref in snapshot.models if ref.namespace == changed.name)
        case "Gateway":
            for ref, model in snapshot.known_models.items():
                if ref.namespace == changed.namespace and model.spec.exposure is not None:
                    yield ref
        case "SovereignModel":
            # One that went, or asks for less, may make room for others; those that are placed stay as they are.
            yield changed
            yield ROOM
            if changed not in snapshot.models:
                yield from default_deny.concerned(changed.namespace, snapshot)
        case "Pod":
            pod = snapshot.pods.get(changed)
            if pod is None:
                # The last pod that was pinned to the label of a policy that is gone may have been this one.
                yield from _named("Node", left_over(snapshot))
                yield from _whose(changed, snapshot)
                yield from default_deny.concerned(changed.namespace, snapshot)
            elif pod.model:
                yield Ref("SovereignModel", pod.namespace, pod.model)
            yield from drift.concerned(pod, snapshot)
            if pod is None or pod.node:
                # It gave devices back, or is where it's known what it leaves to others.
                yield ROOM
        case "NetworkPolicy" if changed.name == DEFAULT_DENY:
            yield default_deny.key(changed.namespace)
        case _ if changed.name == UNGOVERNED:
            yield UNGOVERNED_KEY
        case _ if changed.name.endswith(SUFFIX):
            yield advice.key(changed.name.removesuffix(SUFFIX))
        case _:
            child = snapshot.children.get(changed)
            if child is not None and child.policy:
                yield Ref("SovereigntyPolicy", "", child.policy)
            elif child is None and changed.namespace == "":
                yield from _named("SovereigntyPolicy", snapshot.policies)
            elif child is not None:
                yield Ref("SovereignModel", changed.namespace, child.model)
            else:
                yield from _whose(changed, snapshot)
                yield from default_deny.concerned(changed.namespace, snapshot)


def _whose(gone: Ref, snapshot: Snapshot) -> Iterable[Ref]:
    """Return the models that something may have been of: its label is gone with it, but its name begins as the model's does."""
    for ref in snapshot.models:
        if ref.namespace == gone.namespace and gone.name.startswith(ref.name[:NAMED_AFTER]):
            yield ref


def everything(snapshot: Snapshot) -> Iterable[Ref]:
    """Return every key there is, with those of policies that are gone but left something behind."""
    yield from _named("Node", snapshot.nodes)
    yield from _named("SovereignZone", snapshot.zones)
    yield from _named("AcceleratorProfile", snapshot.profiles)
    # Before the policies: the namespaces of one that is gone are closed before it is swept.
    yield UNGOVERNED_KEY
    left = {c.policy for c in snapshot.children.values() if c.policy}
    yield from _named("SovereigntyPolicy", {*snapshot.policies, *left})
    yield from advice.left_over(snapshot)
    yield from _named("SovereigntyExemption", snapshot.exemptions)
    yield from default_deny.everything(snapshot)
    yield from snapshot.models


def reconcile(key: Ref, snapshot: Snapshot, now: float) -> Outcome:
    """Return what is to be done about the key; nothing for kinds that nobody reconciles."""
    reconciler = RECONCILERS.get(key.kind)
    return reconciler(key, snapshot, now) if reconciler else Outcome()


def _named(kind: str, names: Iterable[str]) -> Iterable[Ref]:
    return (Ref(kind, "", name) for name in sorted(names))
