"""What wakes the reconcilers of models, of the capacity that they share, and of the network of their pods."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.facts.by_namespace import models_in
from daulat.facts.change import Change
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.kube.resources import MODEL_KINDS
from daulat.placement.current_placement import current_placement
from daulat.reconcile import closed_egress
from daulat.reconcile.controller import SETTLE, Controller, itself
from daulat.reconcile.inventory.changes import changes_capacity, is_relevant, nodes_concerned, policies_concerned

from . import default_deny
from .capacity import KEY as CAPACITY_KEY
from .capacity import reconcile_capacity
from .default_deny import reconcile_default_deny
from .reconciler import reconcile_model


def _all(snapshot: Snapshot) -> Iterable[Ref]:
    return sorted(snapshot.models)


def _keys(snapshot: Snapshot) -> Iterable[Ref]:
    """Return all models, and those that are gone but left something behind."""
    left = (Ref("SovereignModel", namespace, name) for namespace, name in snapshot.children_by_model)
    return sorted({*snapshot.models, *left})


def _of_namespace(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return models_in([change.ref.name], snapshot)


def _of_policy(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the models in the namespaces that the policy selects or did; all of them where it can't be read."""
    if any(isinstance(side, Unparsable) for side in change.sides):
        yield from _all(snapshot)
        return
    selectors = [side.spec.namespace_selector for side in change.sides]
    governed = {n.name for n in snapshot.namespaces.values() if any(s.matches(n.labels) for s in selectors)}
    yield from models_in(governed, snapshot)


def _of_exemption(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if any(isinstance(side, Unparsable) for side in change.sides):
        yield from _all(snapshot)
        return
    yield from models_in({name for side in change.sides for name in side.spec.namespaces}, snapshot)


def _of_zone(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the models that stand in the zone or on nodes that it claims. Those without a place are woken as capacity changes."""
    found = set(_on_nodes(nodes_concerned(change, snapshot), snapshot))
    for ref, model in snapshot.known_models.items():
        where = current_placement(model)
        if where is not None and where.zone == change.ref.name:
            found.add(ref)
    return sorted(found)


def _of_profile(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the models that list the profile, and those on nodes that have its accelerator beside their own."""
    found = set(_on_nodes(nodes_concerned(change, snapshot), snapshot))
    for ref, model in snapshot.known_models.items():
        if any(choice.profile == change.ref.name for choice in model.spec.accelerators):
            found.add(ref)
    return sorted(found)


def _on_nodes(names: Iterable[str], snapshot: Snapshot) -> Iterable[Ref]:
    """Return the models with pods on the nodes: with another zone or accelerator there, policies may not accept them any more."""
    pods = (pod for name in names for pod in snapshot.pods_by_node.get(name, ()))
    return {Ref("SovereignModel", pod.namespace, pod.model) for pod in pods if pod.model} & snapshot.models.keys()


def _of_node(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the models with a pod on the node, where anything about it differs that a model goes by."""
    if not is_relevant(change, snapshot):
        return
    yield from sorted(_on_nodes([change.ref.name], snapshot))


def _of_attestation(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the models on nodes that the statement is about."""
    return sorted(_on_nodes(nodes_concerned(change, snapshot), snapshot))


def _of_slice(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the models that take devices by claims, and those on nodes of the slice."""
    found = set(_on_nodes(nodes_concerned(change, snapshot), snapshot))
    for ref, model in snapshot.known_models.items():
        if any(choice.claims == "DynamicResourceAllocation" for choice in model.spec.accelerators):
            found.add(ref)
    return sorted(found)


def _of_pod(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return sorted({Ref("SovereignModel", side.namespace, side.model) for side in change.sides if side.model})


def _of_object(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return sorted({Ref("SovereignModel", side.ref.namespace, side.model) for side in change.sides if side.model})


def _of_gateway(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    for ref, model in snapshot.known_models.items():
        if ref.namespace == change.ref.namespace and model.spec.exposure is not None:
            yield ref


def _capacity(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    yield CAPACITY_KEY


def _capacity_of_pod(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake it where a pod gave devices back, or is where it's known what it leaves to others."""
    before, after = change.before, change.after
    held, holds = (side is not None and bool(side.node) for side in (before, after))
    moved = held and holds and (before.node, before.devices) != (after.node, after.devices)
    if held != holds or moved or (after is None and before is not None and before.claim_templates):
        yield CAPACITY_KEY


def _capacity_of_attestation(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if nodes_concerned(change, snapshot):
        yield CAPACITY_KEY


def _capacity_of_node(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if changes_capacity(change) or (is_relevant(change, snapshot) and any(policies_concerned(change, snapshot))):
        yield CAPACITY_KEY


def _denies_of_model(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if change.after is None:
        yield from default_deny.concerned(change.ref.namespace, snapshot)


def _denies_of_pod(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if change.after is None and change.before.model:
        yield from default_deny.concerned(change.ref.namespace, snapshot)


def _denies_of_object(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if change.ref.name in closed_egress.NAMES:
        yield default_deny.key(change.ref.namespace)
    elif change.after is None:
        yield from default_deny.concerned(change.ref.namespace, snapshot)


def _denies_of_namespace(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    yield default_deny.key(change.ref.name)


def _denies_of_policy(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the namespaces that the policy selects or did, where it governs every pod's egress or did; else no namespace."""
    if any(isinstance(side, Unparsable) for side in change.sides):
        yield from default_deny.everything(snapshot)
        return
    closing = [side.spec.namespace_selector for side in change.sides if closed_egress.closing(side.spec)]
    for namespace in snapshot.namespaces.values():
        if any(selector.matches(namespace.labels) for selector in closing):
            yield default_deny.key(namespace.name)


def _priority(key: Ref, snapshot: Snapshot) -> int:
    """Put models that are begun before those that aren't: otherwise, of a thousand none would serve until all are begun."""
    model = snapshot.models.get(key)
    begun = isinstance(model, Declared) and (key.namespace, key.name) in snapshot.children_by_model
    return 1 if begun else 2


MODELS = Controller(
    kind="SovereignModel",
    reconcile=reconcile_model,
    wakes={
        "SovereignModel": itself,
        "Namespace": _of_namespace,
        "SovereigntyPolicy": _of_policy,
        "SovereigntyExemption": _of_exemption,
        "SovereignZone": _of_zone,
        "AcceleratorProfile": _of_profile,
        "Node": _of_node,
        "NodeAttestation": _of_attestation,
        "ResourceSlice": _of_slice,
        "Pod": _of_pod,
        "Gateway": _of_gateway,
        **dict.fromkeys(MODEL_KINDS, _of_object),
    },
    keys=_keys,
    settle={
        **dict.fromkeys(("Pod", "Node", "NodeAttestation", "ResourceSlice"), SETTLE),
        **dict.fromkeys(MODEL_KINDS, SETTLE),
    },
    priority=_priority,
)
CAPACITY = Controller(
    kind=CAPACITY_KEY.kind,
    reconcile=reconcile_capacity,
    wakes={
        **dict.fromkeys(
            (
                "SovereignModel",
                "SovereignZone",
                "AcceleratorProfile",
                "SovereigntyPolicy",
                "ResourceSlice",
                "ResourceClaim",
                "Namespace",
            ),
            _capacity,
        ),
        "NodeAttestation": _capacity_of_attestation,
        "Pod": _capacity_of_pod,
        "Node": _capacity_of_node,
    },
    keys=lambda snapshot: [CAPACITY_KEY],
    # A thousand pods that come in a burst are one question and not a thousand.
    settle=dict.fromkeys(
        (
            "SovereignModel",
            "SovereignZone",
            "AcceleratorProfile",
            "SovereigntyPolicy",
            "ResourceSlice",
            "ResourceClaim",
            "Namespace",
            "NodeAttestation",
            "Pod",
            "Node",
        ),
        SETTLE,
    ),
)
DEFAULT_DENIES = Controller(
    kind=default_deny.KIND,
    reconcile=reconcile_default_deny,
    wakes={
        "SovereignModel": _denies_of_model,
        "Namespace": _denies_of_namespace,
        "SovereigntyPolicy": _denies_of_policy,
        "Pod": _denies_of_pod,
        **dict.fromkeys(MODEL_KINDS, _denies_of_object),
    },
    keys=default_deny.everything,
    serial=True,
    settle={"Pod": SETTLE, **dict.fromkeys(MODEL_KINDS, SETTLE)},
)
