"""How long one pass takes in a large cluster: ``make bench``. Prints figures; it judges nothing.

The same passes run on a small and a large cluster in turn, in one process, so that the growth is what is compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from daulat.catalog import accelerators
from daulat.facts.store import Store
from daulat.kube.ref import Ref
from daulat.reconcile.registry import reconcile

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 7


def cluster(nodes: int, models: int, pods: int) -> Store:
    """Return the facts of a cluster with two zones, one policy, and this many nodes, placed models and other pods."""
    store = Store("daulat-system")
    raw = yaml.safe_load((ROOT / "dev/scenarios/demo.yaml").read_text())
    policy = yaml.safe_load((ROOT / "examples/policy.yaml").read_text())
    model = yaml.safe_load((ROOT / "examples/deepseek-r1.yaml").read_text())
    for number, manifest in enumerate(accelerators.manifests()):
        store.apply("AcceleratorProfile", _stamped(manifest, number))
    for zone in raw["zones"]:
        store.apply("SovereignZone", _stamped({"metadata": {"name": zone["name"]}, "spec": zone["spec"]}, 1))
    store.apply("SovereigntyPolicy", _stamped(policy, 1))
    labels = {"daulat.dev/data-class": "confidential"}
    store.apply("Namespace", _stamped({"metadata": {"name": "treasury", "labels": labels}}, 1))
    hardware = raw["hardware"]["atlas-800-a2"]
    for number in range(nodes):
        site = "cyberjaya-1" if number % 2 else "singapore-1"
        store.apply("Node", _node(f"node-{number}", site, hardware, 1))
    for number in range(models):
        spec = {**model["spec"], "accelerators": [{"profile": "huawei-ascend-910b", "count": 1}]}
        metadata = {"name": f"model-{number}", "namespace": "treasury", "uid": f"u{number}"}
        store.apply("SovereignModel", _stamped({"metadata": metadata, "spec": spec}, 1))
    for number in range(pods):
        store.apply("Pod", _pod(f"pod-{number}", f"node-{number % nodes}", 1))
    return store


def _stamped(manifest: dict[str, Any], version: int) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(version + 1), "generation": 1}}


def _node(name: str, site: str, hardware: dict[str, Any], version: int) -> dict[str, Any]:
    labels = {**hardware["labels"], "daulat.node-restriction.kubernetes.io/site": site}
    status = {"allocatable": hardware["allocatable"], "conditions": [{"type": "Ready", "status": "True"}]}
    return _stamped({"metadata": {"name": name, "labels": labels}, "spec": {}, "status": status}, version)


def _pod(name: str, node: str, version: int) -> dict[str, Any]:
    containers = [{"name": "c", "resources": {"limits": {"huawei.com/Ascend910": "1"}}}]
    metadata = {"name": name, "namespace": "other"}
    return _stamped({"metadata": metadata, "spec": {"nodeName": node, "containers": containers}}, version)


def timed(store: Store, disturb: Callable[[int], object], key: Ref) -> float:
    """Return the median milliseconds of a pass over the key, each after a fact has changed."""
    found = []
    for number in range(ROUNDS):
        disturb(number)
        began = time.perf_counter()
        reconcile(key, store.snapshot(), 1_800_000_000.0)
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


def main() -> None:
    """Print the table."""
    sizes = {"small": (50, 10, 200), "large": (5000, 200, 20000)}
    stores = {name: cluster(*size) for name, size in sizes.items()}
    hardware = yaml.safe_load((ROOT / "dev/scenarios/demo.yaml").read_text())["hardware"]["atlas-800-a2"]

    def pod_comes(store: Store, number: int) -> None:
        store.apply("Pod", _pod(f"new-{time.perf_counter_ns()}", "node-1", 10 + number))

    def node_changes(store: Store, number: int) -> None:
        changed = {**hardware, "labels": {**hardware["labels"], "round": f"{number}"}}
        store.apply("Node", _node("node-1", "cyberjaya-1", changed, time.time_ns() // 1000))

    model = Ref("SovereignModel", "treasury", "model-0")
    passes = {
        "model, after a pod came": (model, pod_comes),
        "model, after a node changed": (model, node_changes),
        "policy, after a node changed": (Ref("SovereigntyPolicy", "", "confidential"), node_changes),
        "node, after itself changed": (Ref("Node", "", "node-1"), node_changes),
    }
    print(f"{'pass (median ms)':32}" + "".join(f"{n + ' ' + str(s):>28}" for n, s in sizes.items()))
    for title, (key, disturb) in passes.items():
        row = [timed(store, partial(disturb, store), key) for store in stores.values()]
        print(f"{title:32}" + "".join(f"{value:28.1f}" for value in row))


if __name__ == "__main__":
    main()
