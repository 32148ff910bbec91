"""Whether a node looks like one with an accelerator, by the labels that the vendor's components put there."""

from __future__ import annotations

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.facts.node import Node


def carries_labels(node: Node, profile: AcceleratorProfileSpec) -> bool:
    """Say whether the node has the labels that the vendor's components put on nodes with this accelerator."""
    return profile.node_selector is None or profile.node_selector.matches(node.labels)
