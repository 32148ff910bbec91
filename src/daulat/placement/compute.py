"""Says which nodes have less CPU or memory than a model's pods request, whatever else runs there.

What other pods request isn't counted: that changes with every pod, and the scheduler decides it. A node that reports neither is
taken to be large enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from daulat.api.model import SovereignModelSpec
from daulat.api.quantity import rounded_up
from daulat.facts.node import Node

_MILLI = -3


@dataclass(frozen=True)
class Requests:
    """What one pod requests, in thousandths of a core and in bytes; None where it requests none."""

    cpu: int | None = None
    memory: int | None = None


def requested(spec: SovereignModelSpec) -> Requests:
    """Return what the engine's container requests. Where only a limit is set, the API server sets the request to it."""
    asked = spec.resources
    if asked is None:
        return Requests()
    cpu, memory = (
        next((amount for part in (asked.requests, asked.limits) if (amount := getattr(part, name, None))), None)
        for name in ("cpu", "memory")
    )
    return Requests(
        None if cpu is None else rounded_up(cpu, _MILLI),
        None if memory is None else rounded_up(memory),
    )


def too_small(nodes: Iterable[Node], requests: Requests) -> Mapping[str, str]:
    """Return the nodes on which such a pod never starts, by name, with the resource that they have too little of."""
    if requests == Requests():
        return {}
    found = {}
    for node in nodes:
        if _exceeds(requests.cpu, node.cpu):
            found[node.name] = "CPU"
        elif _exceeds(requests.memory, node.memory):
            found[node.name] = "memory"
    return found


def amount(resource: str, value: int) -> str:
    """Return an amount for a sentence: cores, or GiB."""
    if resource == "CPU":
        return f"{value / 1000:g} CPU"
    return f"{value / 2**30:.1f} GiB of memory"


def _exceeds(request: int | None, allocatable: int | None) -> bool:
    return request is not None and allocatable is not None and request > allocatable
