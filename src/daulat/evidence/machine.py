"""A node as a machine: what its kubelet reports of the hardware and of this boot, beside what placement goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from daulat.facts.node import Node, parse_node
from daulat.facts.unknown import Unknown

REPORTED = 256
"""Characters that are taken of what a kubelet reports of itself: the API server limits none of it."""


@dataclass(frozen=True)
class Machine(Node):
    """A node with the identities that its kubelet reports."""

    boot_id: str = ""
    kubelet: str = ""
    """The kubelet's version."""
    runtime: str = ""
    """The container runtime with its version."""


def parse_machine(raw: Mapping[str, Any]) -> Machine | Unknown:
    """Read a Node with its identities. What makes it Unknown for placement makes it Unknown here."""
    node = parse_node(raw)
    if isinstance(node, Unknown):
        return node
    info = (raw.get("status") or {}).get("nodeInfo") or {}
    return Machine(
        **{f.name: getattr(node, f.name) for f in fields(Node)},
        boot_id=str(info.get("bootID") or "")[:REPORTED],
        kubelet=str(info.get("kubeletVersion") or "")[:REPORTED],
        runtime=str(info.get("containerRuntimeVersion") or "")[:REPORTED],
    )
