"""The devices that no pod holds are counted node by node, and the count is that of all nodes together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

from daulat.api.names import NODE_PREFIX
from daulat.facts.derived import DerivedFacts
from daulat.facts.store import Store
from daulat.reconcile.inventory.free import Devices, free_devices
from tests.unit.world import Raw, World, ascend, h20, pod, zone

RESOURCE = "huawei.com/Ascend910"


def counted_anew(store: Store) -> Counter[Devices]:
    return free_devices(replace(store.snapshot(), derived=DerivedFacts(), sequence=0))


def test_the_count_follows_nodes_pods_and_zones() -> None:
    random, store, version = Random(23), World(models=[]).store(), 1000

    def on(node: str) -> Raw:
        return pod(f"p{random.randrange(6)}", on=node, devices={RESOURCE: random.randrange(1, 4)})

    def changed(raw: Raw) -> Raw:
        nonlocal version
        version += 1
        return {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(version)}}

    def selecting_nothing(raw: Raw) -> Raw:
        return {**raw, "spec": {**raw["spec"], "nodeSelector": {"matchLabels": {f"{NODE_PREFIX}site": "elsewhere"}}}}

    steps: tuple[Callable[[], object], ...] = (
        lambda: store.apply("Pod", changed(on(random.choice(["a1", "a2", "h1", "gone", ""])))),
        lambda: store.delete("Pod", changed(on("a1"))),
        lambda: store.apply("Node", changed(random.choice([ascend("a1"), h20("a1"), ascend("a3"), h20("h1")]))),
        lambda: store.apply("Node", changed({**ascend("a2"), "spec": {"unschedulable": True}})),
        lambda: store.delete("Node", changed(ascend(random.choice(["a1", "a2", "a3"])))),
        lambda: store.apply(
            "SovereignZone", changed(random.choice([zone(), zone(), zone(), selecting_nothing(zone())]))
        ),
    )
    seen = set()
    for _ in range(400):
        random.choice(steps)()
        # Not after each change: several wait to be taken in then.
        if random.random() < 0.6:
            found = free_devices(store.snapshot())
            assert found == counted_anew(store)
            seen.add(frozenset(found.items()))
    assert len(seen) > 10
