"""Decides the labels of record of a node: its zone, and every policy under which it is eligible.

A label is given and taken by a decision. Where a fact is missing, labels stay as they are, and a node that holds the label of such
a policy gets a taint instead: what runs there goes on, and nothing new is scheduled there until it is decided.
"""

from __future__ import annotations

from dataclasses import dataclass

from daulat.api.names import ELIGIBLE, NODE_PREFIX, RESERVED_POLICY_NAMES, ZONE_LABEL, eligible_label
from daulat.facts.change import Change
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.derived import DerivedFact
from daulat.facts.node import Node
from daulat.facts.snapshot import Policy, Snapshot
from daulat.facts.unknown import Unknown

from .eligibility import Eligibilities, EligibilityState, eligibility
from .evidence import asks
from .zoning import zone_of_record


@dataclass(frozen=True)
class Record:
    """What is to change on a node. Empty and None where all is as it should be."""

    labels: dict[str, str | None]
    """Labels to set, or to take away where the value is None."""
    taint: bool | None = None
    """Whether to set the taint of undecided nodes, or to take it away."""

    def __bool__(self) -> bool:
        return bool(self.labels) or self.taint is not None


def certify(node: Node, snapshot: Snapshot) -> Record:
    """Return what is to change on the node."""
    zone = zone_of_record(node, snapshot)
    wanted: dict[str, str | None] = {}
    if not isinstance(zone, Unknown):
        wanted[ZONE_LABEL] = zone.name if isinstance(zone, Declared) else None
    undecided, answers = False, Eligibilities.of(snapshot)
    for name, policy in snapshot.policies.items():
        label = eligible_label(name)
        if isinstance(policy, Unparsable):
            # What admission enforces stays in force, too, and what it allows is in its own pins.
            continue
        answer = answers.of_node(node, policy, snapshot)
        if answer.verdict is EligibilityState.UNDECIDED:
            undecided = undecided or node.labels.get(label) == ELIGIBLE
        else:
            wanted[label] = ELIGIBLE if answer.verdict is EligibilityState.ELIGIBLE else None
    for label in former_labels(snapshot).get(node.name, ()):
        # It stays while a pod is pinned to it: a kubelet restart would end that pod.
        if label not in snapshot.pins:
            wanted[label] = None
    labels = {label: value for label, value in wanted.items() if node.labels.get(label) != value}
    if _about_to_learn(snapshot):
        # The operator is about to learn it, after a start within seconds: no node gets a taint for that, and none loses it.
        return Record(labels)
    return Record(labels, undecided if undecided != node.undecided else None)


def _about_to_learn(snapshot: Snapshot) -> bool:
    # Where the list is refused, as for want of rights, or fails again and again, the operator isn't about to learn anything.
    awaited = snapshot.unlisted - snapshot.refused
    if "NodeAttestation" in awaited and any(map(asks, snapshot.known_policies.values())):
        return True
    return "ResourceSlice" in awaited


def decided_against(node: Node, policy: Policy, snapshot: Snapshot) -> str:
    """Return why it is decided that the node isn't eligible under the policy; empty where it is, or where it isn't decided."""
    answer = eligibility(node, policy, snapshot)
    return answer.reason if answer.verdict is EligibilityState.INELIGIBLE else ""


class FormerLabels(DerivedFact):
    """The labels of policies that don't exist any more, by the node that carries them."""

    depends_on = frozenset({"Node", "SovereigntyPolicy"})

    def __init__(self) -> None:
        self._found: dict[str, list[str]] | None = None

    def forget(self, change: Change, snapshot: Snapshot) -> bool:
        """Look at a changed node again; at all nodes where a policy came or went."""
        if change.ref.kind != "Node":
            return change.before is not None and change.after is not None
        if self._found is not None:
            self._found.pop(change.ref.name, None)
            node = snapshot.nodes.get(change.ref.name)
            if isinstance(node, Node) and (labels := _of_no_policy(node, snapshot)):
                self._found[node.name] = labels
        return True

    def by_node(self, snapshot: Snapshot) -> dict[str, list[str]]:
        """Return them all."""
        if self._found is None:
            nodes = [node for node in snapshot.nodes.values() if isinstance(node, Node)]
            self._found = {node.name: labels for node in nodes if (labels := _of_no_policy(node, snapshot))}
        return self._found


def former_labels(snapshot: Snapshot) -> dict[str, list[str]]:
    """Return the labels of policies that don't exist any more, by the node that carries them."""
    return FormerLabels.of(snapshot).by_node(snapshot)


def _of_no_policy(node: Node, snapshot: Snapshot) -> list[str]:
    return [
        label
        for label, value in node.labels.items()
        if value == ELIGIBLE
        and label.startswith(NODE_PREFIX)
        and (name := label.removeprefix(NODE_PREFIX)) not in snapshot.policies
        and name not in RESERVED_POLICY_NAMES
    ]
