"""Clusters for simulations, as raw objects."""

from __future__ import annotations

from typing import Any

from daulat.kube.ref import Ref
from daulat.kube.resources import BY_KIND
from daulat.simulate.change import Changes, Put
from daulat.simulate.compare import Outcome, simulate
from daulat.simulate.world import Cluster
from tests.unit.world import ASCEND_RESOURCE, Raw, World, ascend, pod, policy, zone

NOW = 1_800_000_000.0
UNSERVED = frozenset(
    {"LeaderWorkerSet", "ScaledObject", "HTTPRoute", "InferencePool", "Gateway", "PodMonitor", "ResourceSlice"}
)
HOUR = 3600.0
KULIM = Ref("SovereignZone", "", "kulim-1")


def cluster(world: World, unserved: frozenset[str] = UNSERVED) -> Cluster:
    """Return a world as a simulation takes it in."""
    kinds = {
        "Namespace": world.namespaces,
        "Node": world.nodes,
        "AcceleratorProfile": world.profiles,
        "SovereignZone": world.zones,
        "SovereigntyExemption": world.exemptions,
        "SovereigntyPolicy": world.policies,
        "SovereignModel": world.models,
        "NodeAttestation": world.attestations,
        "Pod": world.pods,
    }
    return Cluster(tuple(typed(k, raw) for k, raws in kinds.items() for raw in raws), NOW, unserved=unserved)


def typed(kind: str, raw: Raw) -> Raw:
    """Return an object with its apiVersion and kind."""
    return {"apiVersion": BY_KIND[kind].api_version, "kind": kind, **raw}


def put(kind: str, raw: Raw) -> Put:
    """Return the change that applies an object."""
    return Put(kind, typed(kind, raw))


def run(world: World, *changes: Changes, within: float = HOUR) -> Outcome:
    """Return what changes do."""
    return simulate(cluster(world), changes, within)


def two_zones(**more: Any) -> World:
    """Return a cluster with two zones of two nodes each."""
    nodes = [ascend("a1"), ascend("a2"), ascend("k1", "kulim-1"), ascend("k2", "kulim-1")]
    return World(
        **{"nodes": nodes, "zones": [zone(), zone("kulim-1")], "policies": [policy(drift={"limit": "100%"})], **more}
    )


def job(name: str, on: str, devices: int = 8) -> Raw:
    """Return a pod of a Job of others, pinned as admission does it."""
    pins = {"daulat.node-restriction.kubernetes.io/confidential": "eligible"}
    raw = pod(name, on, {ASCEND_RESOURCE: str(devices)}, pins=pins)
    raw["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "trainer", "controller": True, "uid": "j"}]
    raw["metadata"]["uid"] = f"uid-{name}"
    return raw
