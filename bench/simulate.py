"""How long a simulation takes in a large cluster: ``python -m bench.simulate [NODES]``. Prints figures; it judges nothing."""

from __future__ import annotations

import gc
import sys
import time
from dataclasses import replace
from typing import Any

import yaml

from daulat.api.kinds import Manifest
from daulat.api.names import ELIGIBLE, NODE_PREFIX, ZONE_LABEL, eligible_label
from daulat.catalog import accelerators
from daulat.kube.resources import BY_KIND
from daulat.simulate.change import Changes, LoseNode, Put, RevokeZone
from daulat.simulate.compare import Outcome, simulate
from daulat.simulate.run import Simulation
from daulat.simulate.world import Cluster

from .reconcile import ROOT

NODES, ZONES, MODELS, PODS_PER_NODE = 5000, 10, 200, 2
NOW, WITHIN = 1_800_000_000.0, 7200.0
RESOURCE = "huawei.com/Ascend910"
IMAGE = "registry.example.my/vllm@sha256:" + "2b" * 32


def cluster(nodes: int) -> Cluster:
    """Return a certified cluster with ten zones, a policy and a namespace for each, models, and two pods of others on each node."""
    raw = yaml.safe_load((ROOT / "dev/scenarios/demo.yaml").read_text())
    policy = yaml.safe_load((ROOT / "examples/policy.yaml").read_text())
    model = yaml.safe_load((ROOT / "examples/deepseek-r1.yaml").read_text())
    home = next(z["spec"] for z in raw["zones"] if z["name"] == "cyberjaya-1")
    hardware = raw["hardware"]["atlas-800-a2"]
    found = list(accelerators.manifests())
    sites = [f"site-{n}" for n in range(ZONES)]
    for site in sites:
        selector = {"matchLabels": {NODE_PREFIX + "site": site}}
        found.append(_of("SovereignZone", site, spec={**home, "nodeSelector": selector}))
        scope = {"matchLabels": {"daulat.dev/scope": site}}
        own = {**policy["spec"], "namespaceSelector": scope, "zones": {"names": [site]}, "drift": {"limit": "100%"}}
        found.append({**policy, "metadata": {"name": site, "uid": site}, "spec": own})
        found.append(_of("Namespace", site, metadata={"labels": {"daulat.dev/scope": site}}))
    status = {"allocatable": hardware["allocatable"], "conditions": [{"type": "Ready", "status": "True"}]}
    for number in range(nodes):
        site = sites[number % ZONES]
        pins = {eligible_label(site): ELIGIBLE}
        of = {**hardware["labels"], NODE_PREFIX + "site": site, ZONE_LABEL: site, **pins}
        found.append(_of("Node", f"node-{number}", metadata={"labels": of}, spec={}, status=status))
        found += [_pod(f"pod-{number}-{n}", site, f"node-{number}", pins) for n in range(PODS_PER_NODE)]
    spec = {
        **model["spec"],
        "replicas": 1,
        "accelerators": [{"profile": "huawei-ascend-910b", "count": 1, "image": IMAGE}],
    }
    found += [
        _of("SovereignModel", f"model-{n}", metadata={"namespace": sites[n % ZONES]}, spec=spec) for n in range(MODELS)
    ]
    return Cluster(tuple(found), NOW)


def settled(found: Cluster) -> Cluster:
    """Return the cluster as its operator leaves it: models placed, with their workloads and pods."""
    simulation = Simulation(found)
    simulation.settle(WITHIN)
    return replace(found, objects=tuple(simulation.world.objects.values()), now=simulation.world.now)


def _of(kind: str, name: str, metadata: Manifest | None = None, **parts: Any) -> Manifest:
    meta = {**(metadata or {}), "name": name, "uid": f"{kind}-{name}"}
    return {"apiVersion": BY_KIND[kind].api_version, "kind": kind, "metadata": meta, **parts}


def _pod(name: str, namespace: str, node: str, pins: dict[str, str]) -> Manifest:
    owner = {"kind": "Job", "name": "trainer", "controller": True, "uid": "job"}
    container = {"name": "main", "image": "registry.example.my/trainer", "resources": {"limits": {RESOURCE: "1"}}}
    spec = {"nodeName": node, "nodeSelector": pins, "containers": [container]}
    meta = {"namespace": namespace, "ownerReferences": [owner]}
    return _of("Pod", name, metadata=meta, spec=spec, status={"phase": "Running"})


def _policy(found: Cluster) -> Put:
    own = next(m for m in found.objects if m["kind"] == "SovereigntyPolicy")
    return Put("SovereigntyPolicy", {**own, "spec": {**own["spec"], "images": {"registries": ["mirror.example.my/"]}}})


def main() -> None:
    """Measure."""
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else NODES
    found = settled(cluster(nodes))
    print(f"{nodes} nodes, {nodes * PODS_PER_NODE} pods, {MODELS} models, {ZONES} zones, {ZONES} policies")
    cases: dict[str, Changes] = {
        "a zone is revoked": RevokeZone("site-0"),
        "a node is lost": LoseNode("node-7"),
        "a policy changes": _policy(found),
    }
    for title, change in cases.items():
        gc.freeze()  # As the command does.
        began, used = time.perf_counter(), time.process_time()
        outcome: Outcome = simulate(found, [change], WITHIN)
        took, cpu = time.perf_counter() - began, time.process_time() - used
        pods = sum(e.pods for e in outcome.evictions)
        held = sum(p.after.held for p in outcome.policies if p.after is not None)
        print(
            f"  {title}: {took:.1f} s ({cpu:.1f} s of processor), {outcome.passes} passes; {pods} pods end, {held} held"
        )


if __name__ == "__main__":
    main()
