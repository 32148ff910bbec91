"""What was found when a place was looked for: which nodes are eligible, and which accelerator each of them offers the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.model import AcceleratorChoice
from daulat.facts.node import Node
from daulat.facts.snapshot import Policy

from .capacity import DeviceAccounting, Fit
from .devices import Devices
from .dra import Asked, open_to
from .room import replicas, room


@dataclass(frozen=True)
class Group:
    """Nodes that weren't chosen for the same reason."""

    reason: str
    nodes: tuple[str, ...]
    passing: bool = False
    """Whether the reason is what others hold just now, and not what the node is."""


@dataclass(frozen=True)
class Unusable:
    """One accelerator of the model that no node can be taken for, and the nodes that have it."""

    profile: str
    reason: str
    why: str
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Option:
    """One accelerator in one zone: the eligible nodes that have it, and those of them that take pods."""

    zone: str
    choice: AcceleratorChoice
    profile: AcceleratorProfileSpec
    resource: Asked
    nodes: tuple[Node, ...]
    devices: Devices
    too_small: Mapping[str, str] = field(default_factory=dict)
    """The nodes that have less CPU or memory than a pod requests, whatever else runs there, with which of them they lack."""

    @property
    def open(self) -> list[Node]:
        """The nodes that take pods, room permitting."""
        return [n for n in self.nodes if n.name not in self.too_small and open_to(n, self.resource)]

    @property
    def resource_name(self) -> str:
        """The extended resource, or the DeviceClass of claims."""
        return self.resource if isinstance(self.resource, str) else self.resource.name

    def room(self, accounting: DeviceAccounting) -> int:
        """Return how many replicas there is surely room for."""
        return replicas(self.open, self.profile, self.resource, self.devices, accounting)

    def takes(self, accounting: DeviceAccounting, asked: int, *, ignore_waiting: bool = False) -> Fit:
        """Say whether there is room for so many replicas; with ``ignore_waiting``, whatever becomes of others that wait."""
        return room(
            self.open, self.profile, self.resource, self.devices, accounting, asked, ignore_waiting=ignore_waiting
        )


@dataclass(frozen=True)
class Survey:
    """All nodes and all accelerators that the model lists, accounted for."""

    policies: Sequence[Policy]
    eligible: Sequence[Node]
    refused: Mapping[str, str]
    """Why each of the other nodes isn't eligible, by name."""
    options: Sequence[Option]
    """In the model's order of preference."""
    unusable: Sequence[Unusable]
    accounting: DeviceAccounting
