"""Which policies govern the egress of every pod of a namespace, and whether their NetworkPolicies are there."""

from __future__ import annotations

from daulat.api.network import Egress
from daulat.api.policy import ControlAction, SovereigntyPolicySpec
from daulat.facts.snapshot import Snapshot
from daulat.kube.ref import Ref
from daulat.workload.egress import NAMESPACE_EGRESS
from daulat.workload.network import DEFAULT_DENY

CONTROL = "USE-05"
"""The control that keeps others from opening what these NetworkPolicies close."""
NAMES = (NAMESPACE_EGRESS, DEFAULT_DENY)
"""The NetworkPolicies of a namespace that are no model's. What lets something through comes first, so that no pod is cut off."""


def closing(spec: SovereigntyPolicySpec) -> Egress | None:
    """Return the section by which a policy governs the egress of every pod; None where it doesn't, or is on trial."""
    action = spec.controls.get(CONTROL, ControlAction(spec.action.value))
    section = spec.egress
    return section if section and section.whole_namespace and action is ControlAction.ENFORCE else None


def sections(namespace: str, snapshot: Snapshot) -> list[Egress]:
    """Return these sections of all policies that govern a namespace, by the policies' names."""
    found = (closing(policy.spec) for policy in snapshot.governing(namespace))
    return [section for section in found if section is not None]


def missing(namespace: str, snapshot: Snapshot) -> list[str]:
    """Return the names of the NetworkPolicies that such a namespace needs and that aren't there."""
    found = {name: snapshot.children.get(Ref("NetworkPolicy", namespace, name)) for name in NAMES}
    return [name for name, child in found.items() if child is None or child.deleting]
