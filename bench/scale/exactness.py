"""Judges the end of a round: every device held once, and every model on its first preference that had room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.api import Manifest
from bench.scale import manifests


def exact(pods: Sequence[Manifest], nodes: Sequence[Manifest], models: Sequence[Manifest], total: int) -> list[str]:
    """Return what isn't exact about the placement; nothing where all is. A pod without a node holds nothing."""
    free = Counter(
        {(n["metadata"]["name"], r): int(v) for n in nodes for r, v in n["status"]["allocatable"].items() if "/" in r}
    )
    wrong = [] if free.total() == total else [f"the nodes offer {free.total()} devices, not {total}"]
    for pod in pods:
        for resource, count in pod["spec"]["containers"][0]["resources"]["limits"].items():
            if "/" in resource and (node := pod["spec"].get("nodeName")):
                free[node, resource] -= int(count)
    wrong += [f"{node}: {-left} {resource} too many are held" for (node, resource), left in free.items() if left < 0]
    for model in models:
        spec, placement = model["spec"], model.get("status", {}).get("placement", {})
        for choice in spec["accelerators"]:
            if choice["profile"] == placement.get("accelerator"):
                break
            # What is free at the end was free all the time: nothing is given back in a round.
            by_zone: Counter[str] = Counter()
            for (node, resource), left in free.items():
                if resource == manifests.RESOURCES[choice["profile"]]:
                    by_zone[manifests.zone_of(node)] += left // choice["count"]
            if (most := max(by_zone.values(), default=0)) >= spec["replicas"]:
                name = model["metadata"]["name"]
                wrong.append(f"{name} isn't on {choice['profile']}, where {most} replicas more have room")
    return wrong
