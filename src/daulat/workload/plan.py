"""What a model's workload is brought to by this pass: how many replicas, how they are replaced, and which groups there are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """A replica of several nodes: a group of pods that start, and hold devices, together or not at all."""

    number: int
    domain: str = ""
    """The value of the interconnect's node label; empty where the accelerator has no such label."""
    held: bool = False
    """Whether its pods wait, because there is no room for all of them at once."""
    backend: str = "StatefulSet"
    """What makes its pods: StatefulSet or LeaderWorkerSet."""


@dataclass(frozen=True)
class Plan:
    """How many replicas there are to be now, and how they may go."""

    replicas: int
    surge: bool = False
    """Whether a new pod comes before an old one goes; without, an old one goes first, because no spare device exists."""
    evictable: int = 1
    """How many pods may be evicted at a time."""
    groups: tuple[Group, ...] = ()
    """The replicas of several nodes; empty where a replica has one."""
