"""Decides the labels of record of a node: its zone, and every policy under which it is eligible."""

from __future__ import annotations

from daulat.api.names import ELIGIBLE, NODE_PREFIX, RESERVED_POLICY_NAMES, ZONE_LABEL, eligible_label
from daulat.facts.declared import Malformed
from daulat.facts.node import Node
from daulat.facts.snapshot import Policy, Snapshot
from daulat.facts.unknown import Unknown

from .dra import unsettled
from .eligibility import ineligible
from .zoning import zone_of_record

_LEFT_OVER = "labels of policies that are gone"


def certify(node: Node, snapshot: Snapshot) -> dict[str, str | None]:
    """Return the labels to change on the node: a value to set, or None to take the label away. Empty: all is as it should be."""
    if _lies_in_the_dark(node, snapshot):
        return {}  # Where it stands can't be told: its labels stay, and placement sends nothing new there.
    zone = zone_of_record(node, snapshot)
    wanted: dict[str, str | None] = {ZONE_LABEL: None if isinstance(zone, Unknown) else zone.name}
    for name, policy in snapshot.policies.items():
        if isinstance(policy, Malformed):
            continue  # What it allows can't be told: its labels stay as they are, and so does what admission enforces.
        why = ineligible(node, policy, snapshot)
        if why and why == unsettled(node, snapshot):
            continue  # A driver is about to tell which devices there are: till then nothing is given and nothing taken.
        wanted[eligible_label(name)] = None if why else ELIGIBLE
    for label in _of_nobody(node, snapshot):
        # It stays while a pod is pinned to it: a kubelet restart would end that pod.
        if label not in snapshot.pins:
            wanted[label] = None
    return {label: value for label, value in wanted.items() if node.labels.get(label) != value}


def unfit(node: Node, policy: Policy, snapshot: Snapshot) -> str:
    """Return why the node isn't to have the policy's label; empty where it is, and where nobody can tell just now."""
    why = ineligible(node, policy, snapshot)
    return "" if why is None or why == unsettled(node, snapshot) or _lies_in_the_dark(node, snapshot) else why


def _lies_in_the_dark(node: Node, snapshot: Snapshot) -> bool:
    return isinstance(snapshot.zones.get(node.labels.get(ZONE_LABEL, "")), Malformed)


def left_over(snapshot: Snapshot) -> dict[str, list[str]]:
    """Return the labels of policies that are gone, by the node that carries them."""
    if _LEFT_OVER not in snapshot.memo:
        found = {n.name: _of_nobody(n, snapshot) for n in snapshot.nodes.values() if isinstance(n, Node)}
        snapshot.memo[_LEFT_OVER] = {name: labels for name, labels in found.items() if labels}
    labels: dict[str, list[str]] = snapshot.memo[_LEFT_OVER]
    return labels


def _of_nobody(node: Node, snapshot: Snapshot) -> list[str]:
    return [
        label
        for label, value in node.labels.items()
        if label.startswith(NODE_PREFIX)
        and value == ELIGIBLE
        and label.removeprefix(NODE_PREFIX) not in {*snapshot.policies, *RESERVED_POLICY_NAMES}
    ]
