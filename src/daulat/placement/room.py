"""How many replicas nodes have room for: on one node each, or on several that reach each other fast."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.facts.node import Node
from daulat.facts.snapshot import Model, Snapshot

from .capacity import Ledger
from .devices import Devices


def domains(nodes: Sequence[Node], profile: AcceleratorProfileSpec) -> dict[str, list[Node]]:
    """Return the nodes by interconnect domain: those that share a label's value, or all together where there is no such label.

    A node that should have the label and doesn't is in no domain: nobody knows what it reaches.
    """
    label = profile.interconnect.node_label if profile.interconnect is not None else None
    if label is None:
        return {"": list(nodes)}
    found: dict[str, list[Node]] = {}
    for node in nodes:
        if value := node.labels.get(label):
            found.setdefault(value, []).append(node)
    return found


def replicas(
    nodes: Sequence[Node], profile: AcceleratorProfileSpec, resource: str, needed: Devices, ledger: Ledger
) -> int:
    """Return how many replicas the nodes have room for, the model's own taken for gone."""
    if needed.nodes == 1:
        return ledger.slots(nodes, resource, needed.count)
    by_domain = domains(nodes, profile).values()
    return sum(ledger.slots(members, resource, needed.per_node) // needed.nodes for members in by_domain)


def beside_own(
    model: Model,
    nodes: Sequence[Node],
    profile: AcceleratorProfileSpec,
    resource: str,
    needed: Devices,
    ledger: Ledger,
    snapshot: Snapshot,
) -> dict[str, int]:
    """Return how many more pods of the model there is room for in each domain, while its own stay where they are."""
    held: dict[str, int] = {}
    for pod in snapshot.pods_by_model.get((model.namespace, model.name), ()):
        if pod.node:
            held[pod.node] = held.get(pod.node, 0) + pod.devices.get(resource, 0)
    by_domain = domains(nodes, profile) if needed.nodes > 1 else {"": list(nodes)}
    return {
        domain: sum(max(ledger.free(node, resource) - held.get(node.name, 0), 0) // needed.per_node for node in members)
        for domain, members in sorted(by_domain.items())
    }
