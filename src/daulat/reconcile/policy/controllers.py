"""What wakes the reconcilers of policies, of what all policies share, and of exemptions."""

from __future__ import annotations

from collections.abc import Iterable

from daulat.admission.advice import SUFFIX
from daulat.admission.ungoverned import UNGOVERNED as GUARD
from daulat.admission.ungoverned import UNGOVERNED_MODELS
from daulat.api.names import ELIGIBLE, NODE_PREFIX
from daulat.facts.change import Change
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.node import Node
from daulat.facts.pod import Pod
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.reconcile import closed_egress
from daulat.reconcile.controller import SETTLE, Controller, itself
from daulat.reconcile.inventory.changes import (
    is_relevant,
    nodes_concerned,
    policies_concerned,
    policies_that_ask,
)

from . import advice, pinning
from .advice import reconcile_advice
from .compiled import protected_namespaces
from .exemptions import reconcile_exemption
from .reconciler import reconcile_policy
from .ungoverned import KEY as UNGOVERNED_KEY
from .ungoverned import reconcile_ungoverned

ADMISSION_KINDS = (
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
)


def _policy(name: str) -> Ref:
    return Ref("SovereigntyPolicy", "", name)


def _all(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return (_policy(name) for name in sorted(snapshot.policies))


def _of_node(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    found = {policy.name for policy in policies_concerned(change, snapshot)}
    if nodes_concerned(change, snapshot):
        found |= {policy.name for policy in policies_that_ask(snapshot)}
    return (_policy(name) for name in sorted(found))


def _that_ask(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the policies that ask for evidence of where nodes stand."""
    return (_policy(policy.name) for policy in policies_that_ask(snapshot))


def _of_namespace(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the policies that select the namespace, or did."""
    for name, policy in snapshot.known_policies.items():
        matches = policy.spec.namespace_selector.matches
        if any(matches(side.labels) for side in change.sides) or change.ref.name in protected_namespaces(snapshot):
            yield _policy(name)


def _of_volume(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the policies that govern the claim that a volume is bound to, or was."""
    for namespace in sorted({side.namespace for side in change.sides if side.namespace}):
        yield from (_policy(p.name) for p in snapshot.governing(namespace) if p.spec.storage is not None)


def _of_exemption(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if any(isinstance(side, Unparsable) for side in change.sides):
        yield from _all(change, snapshot)
    else:
        yield from sorted({_policy(side.spec.policy) for side in change.sides})


def _of_pod(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the policies that a pod is pinned to, where its node isn't theirs, or where they wait for pods to go."""
    for pin in sorted({pin for side in change.sides for pin in side.pins}):
        policy = snapshot.known_policies.get(pin.removeprefix(NODE_PREFIX))
        if policy is None:
            continue
        node = snapshot.nodes.get(change.latest.node)
        brake = policy.status.brake
        brakes = brake is not None and (brake.evicted or brake.batch)
        drifts = policy.status.drift or policy.status.undecided or brakes or _is_foreign(change.latest)
        if drifts or (isinstance(node, Node) and (node.labels.get(pin) != ELIGIBLE or node.undecided)):
            yield _policy(policy.name)


def _is_foreign(pod: Pod) -> bool:
    """Say whether a pod says that it is a model's and wasn't made by a workload."""
    return bool(pod.model) and not pod.is_of_workload


def _of_model(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the policies of a model that is gone and that has left pods."""
    if change.after is None and (change.ref.namespace, change.ref.name) in snapshot.pods_by_model:
        yield from (_policy(policy.name) for policy in snapshot.governing(change.ref.namespace))


def _of_object(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return sorted({_policy(side.policy) for side in change.sides if side.policy})


def _keys(snapshot: Snapshot) -> Iterable[Ref]:
    """Return all policies, and those that are gone but left something behind."""
    return (_policy(name) for name in sorted({*snapshot.policies, *snapshot.children_by_policy}))


def _shared_guard(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    selects = any(side.selector is not None for side in change.sides)
    if change.ref.name in (GUARD, UNGOVERNED_MODELS) or selects or change.before is None or change.after is None:
        yield UNGOVERNED_KEY


def _advice_of_object(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if change.ref.name.endswith(SUFFIX):
        yield advice.key(change.ref.name.removesuffix(SUFFIX))


def _advice_of_node(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if is_relevant(change, snapshot):
        yield from _advice_of_all(change, snapshot)


def _advice_of_all(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return (advice.key(name) for name in sorted(snapshot.policies))


def _advice_that_asks(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return (advice.key(policy.name) for policy in policies_that_ask(snapshot))


def _advice_of_policy(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    yield advice.key(change.ref.name)


def _pins(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    return pinning.keys(snapshot)


def _pins_of_namespace(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    if snapshot.capabilities.pin.annotation or any(side.pins for side in change.sides):
        yield pinning.key(change.ref.name)


def _pins_of_policy(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the namespaces that the policy governs or did, and those whose annotations have its label."""
    selectors = [side.spec.namespace_selector for side in change.sides if isinstance(side, Declared)]
    for each in pinning.keys(snapshot):
        namespace = snapshot.namespaces[each.name]
        if change.ref.name in pinning.policies_in(namespace) or any(s.matches(namespace.labels) for s in selectors):
            yield each


def _exemptions_that_name(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the exemptions from a policy, or in a namespace."""
    is_policy = change.ref.kind == "SovereigntyPolicy"
    for name, exemption in sorted(snapshot.exemptions.items()):
        if isinstance(exemption, Declared):
            spec = exemption.spec
            if change.ref.name in ([spec.policy] if is_policy else spec.namespaces):
                yield Ref("SovereigntyExemption", "", name)


def _of_network_policy(change: Change, snapshot: Snapshot) -> Iterable[Ref]:
    """Wake the policies that say in their status whether a namespace has the NetworkPolicies that close it."""
    if change.ref.name in closed_egress.NAMES:
        yield from (_policy(policy.name) for policy in snapshot.governing(change.ref.namespace))


POLICIES = Controller(
    kind="SovereigntyPolicy",
    reconcile=reconcile_policy,
    wakes={
        "Kubernetes": _all,
        "SovereigntyPolicy": itself,
        "SovereignZone": _all,
        "AcceleratorProfile": _all,
        "SovereigntyExemption": _of_exemption,
        "NodeAttestation": _that_ask,
        "Node": _of_node,
        "Namespace": _of_namespace,
        "Pod": _of_pod,
        "PersistentVolume": _of_volume,
        "SovereignModel": _of_model,
        "ResourceSlice": _all,
        "NetworkPolicy": _of_network_policy,
        **dict.fromkeys(ADMISSION_KINDS, _of_object),
    },
    keys=_keys,
    serial=True,
    # The garbage collector needs a while for what a model owned.
    settle={
        "Pod": SETTLE,
        "Node": SETTLE,
        # A fleet is attested at once.
        "NodeAttestation": 1.0,
        "PersistentVolume": SETTLE,
        "ResourceSlice": 1.0,
        "SovereignModel": 10.0,
        "NetworkPolicy": SETTLE,
        **dict.fromkeys(ADMISSION_KINDS, SETTLE),
    },
)
UNGOVERNED = Controller(
    kind=UNGOVERNED_KEY.kind,
    reconcile=reconcile_ungoverned,
    wakes={
        "SovereigntyPolicy": lambda change, snapshot: [UNGOVERNED_KEY],
        **dict.fromkeys(ADMISSION_KINDS, _shared_guard),
    },
    keys=lambda snapshot: [UNGOVERNED_KEY],
    serial=True,
    settle=dict.fromkeys(ADMISSION_KINDS, SETTLE),
)
ADVICE = Controller(
    kind=advice.KIND,
    reconcile=reconcile_advice,
    wakes={
        "SovereigntyPolicy": _advice_of_policy,
        "SovereignZone": _advice_of_all,
        "AcceleratorProfile": _advice_of_all,
        "ResourceSlice": _advice_of_all,
        "NodeAttestation": _advice_that_asks,
        "Node": _advice_of_node,
        **dict.fromkeys(ADMISSION_KINDS, _advice_of_object),
    },
    # Each policy's pass asks for its own.
    keys=advice.left_over,
    serial=True,
    settle={"Node": 2.0, "ResourceSlice": 2.0, "NodeAttestation": 2.0, "AcceleratorProfile": 1.0, "SovereignZone": 1.0},
)
PINS = Controller(
    kind=pinning.KIND,
    reconcile=pinning.reconcile_pins,
    wakes={
        "Kubernetes": _pins,
        "Namespace": _pins_of_namespace,
        "SovereigntyPolicy": _pins_of_policy,
        "SovereigntyExemption": _pins,
        **dict.fromkeys(("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"), _pins),
    },
    keys=pinning.keys,
    serial=True,
    settle=dict.fromkeys(("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"), SETTLE),
)
EXEMPTIONS = Controller(
    kind="SovereigntyExemption",
    reconcile=reconcile_exemption,
    wakes={
        "SovereigntyExemption": itself,
        "SovereigntyPolicy": _exemptions_that_name,
        "Namespace": _exemptions_that_name,
    },
    keys=lambda snapshot: (Ref("SovereigntyExemption", "", name) for name in sorted(snapshot.exemptions)),
)
