"""What is counted pod by pod is what adding up all pods gives, whatever happened to them in whatever order."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from daulat.api.names import NODE_PREFIX
from daulat.facts.snapshot import Snapshot
from daulat.facts.store import Store
from tests.unit.world import NVIDIA_RESOURCE, pod

NODES = ["", "n1", "n2"]
PINS = [NODE_PREFIX + name for name in ("x", "y")]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(NODES),
        st.sets(st.sampled_from(PINS)),
        st.integers(0, 2),
        st.sampled_from(["applied", "terminating", "finished", "deleted"]),
    ),
    max_size=25,
)


def added_up(snapshot: Snapshot) -> dict[str, Any]:
    pods = list(snapshot.pods.values())
    held: dict[str, Counter[str]] = {}
    by_pin: dict[str, Counter[str]] = {}
    for one in pods:
        if one.node:
            held.setdefault(one.node, Counter()).update(one.devices)
            for pin in one.pins:
                by_pin.setdefault(pin, Counter())[one.node] += 1
    return {
        "held": {node: dict(total) for node, total in held.items() if total},
        "nodes_by_pin": {pin: dict(nodes) for pin, nodes in by_pin.items()},
        "pins": dict(Counter(pin for one in pods for pin in one.pins)),
        "running": dict(Counter(pin for one in pods if one.runs for pin in one.pins)),
        "pods_by_node": {n: {p for p in pods if p.node == n} for n in {p.node for p in pods if p.node}},
    }


def counted(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "held": {node: dict(total) for node, total in snapshot.held.items()},
        "nodes_by_pin": {pin: dict(nodes) for pin, nodes in snapshot.nodes_by_pin.items()},
        "pins": dict(snapshot.pins),
        "running": {pin: number for pin, number in snapshot.running.items() if number},
        "pods_by_node": {node: set(pods) for node, pods in snapshot.pods_by_node.items()},
    }


@given(STEPS)
def test_counts_are_those_of_the_pods_there_are(steps: list[tuple[str, str, set[str], int, str]]) -> None:
    store, seen = Store("daulat-system"), []
    for version, (name, node, pins, devices, state) in enumerate(steps, 1):
        raw = pod(name, node, {NVIDIA_RESOURCE: str(devices)} if devices else {}, pins=dict.fromkeys(pins, "eligible"))
        raw["metadata"]["resourceVersion"] = str(version)
        if state == "terminating":
            raw["metadata"]["deletionTimestamp"] = "2026-11-29T00:00:00Z"
        if state == "finished":
            raw["status"]["phase"] = "Succeeded"
        if state == "deleted":
            store.delete("Pod", raw)
        else:
            store.apply("Pod", raw)
        seen.append((store.snapshot(), added_up(store.snapshot())))
    # A snapshot that was handed out stays as it was.
    for snapshot, expected in seen:
        assert counted(snapshot) == expected
