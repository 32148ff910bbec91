"""How many replicas nodes have room for: on one node each, or on several that reach each other fast."""

from __future__ import annotations

from collections.abc import Sequence

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.facts.node import Node

from .capacity import DeviceAccounting, Fit
from .devices import Devices
from .dra import Asked


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
    nodes: Sequence[Node],
    profile: AcceleratorProfileSpec,
    resource: Asked,
    needed: Devices,
    accounting: DeviceAccounting,
) -> int:
    """Return how many replicas the nodes surely have room for, the model's own taken for gone."""
    if needed.nodes == 1:
        return accounting.slots(nodes, resource, needed.count)
    by_domain = domains(nodes, profile).values()
    # Either way is what is left at least: each domain loses all that may come to it, or each pod that waits a whole replica.
    apart = sum(accounting.slots(members, resource, needed.per_node) // needed.nodes for members in by_domain)
    whole = _whole(nodes, profile, resource, needed, accounting) - accounting.claimed(nodes, resource, needed.per_node)
    return max(apart, whole, 0)


def room(
    nodes: Sequence[Node],
    profile: AcceleratorProfileSpec,
    resource: Asked,
    needed: Devices,
    accounting: DeviceAccounting,
    asked: int,
    *,
    ignore_waiting: bool = False,
) -> Fit:
    """Say whether the nodes have room for so many replicas; with ``ignore_waiting``, whatever becomes of others that wait."""
    if needed.nodes == 1 or not asked:
        return accounting.room(nodes, resource, needed.per_node, asked, ignore_waiting=ignore_waiting)
    if replicas(nodes, profile, resource, needed, accounting) >= asked:
        pods = accounting.room(nodes, resource, needed.per_node, asked * needed.nodes, ignore_waiting=ignore_waiting)
        return Fit.YES if ignore_waiting or pods is Fit.YES else Fit.DEPENDS
    return Fit.DEPENDS if _whole(nodes, profile, resource, needed, accounting) >= asked else Fit.NO


def _whole(
    nodes: Sequence[Node],
    profile: AcceleratorProfileSpec,
    resource: Asked,
    needed: Devices,
    accounting: DeviceAccounting,
) -> int:
    by_domain = domains(nodes, profile).values()
    return sum(accounting.offered(members, resource, needed.per_node) // needed.nodes for members in by_domain)


def beside_own(
    nodes: Sequence[Node],
    profile: AcceleratorProfileSpec,
    resource: Asked,
    needed: Devices,
    accounting: DeviceAccounting,
) -> dict[str, int]:
    """Return how many more pods of the model there is room for in each domain, while its own stay where they are."""
    by_domain = domains(nodes, profile) if needed.nodes > 1 else {"": list(nodes)}
    left = {
        domain: sum(
            max(accounting.free(node, resource) - accounting.own(node, resource), 0) // needed.per_node
            for node in members
        )
        for domain, members in sorted(by_domain.items())
    }
    return {
        domain: max(count - accounting.claimed(by_domain[domain], resource, needed.per_node), 0)
        for domain, count in left.items()
    }
