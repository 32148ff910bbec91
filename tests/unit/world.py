"""Builds raw objects as the API server would send them, and the snapshot that the operator makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from daulat.api.names import MODEL_LABEL, NODE_PREFIX
from daulat.catalog import accelerators
from daulat.catalog.kubernetes import DEFAULT, Capabilities
from daulat.facts.charge import Charge
from daulat.facts.declared import Declared
from daulat.facts.platform import Platform
from daulat.facts.report import Report
from daulat.facts.snapshot import Canary, Model, Policy, Proof, Snapshot, Zone
from daulat.facts.store import Store
from daulat.kube.ref import Ref
from daulat.reconcile.registry import woken
from daulat.reconcile.result import ApplyStatus, Effect
from tests.requests import merge

Raw = dict[str, Any]

OPERATOR_NAMESPACE = "daulat-system"
SITE = NODE_PREFIX + "site"
ASCEND, H20 = "huawei-ascend-910b", "nvidia-h20"
ASCEND_RESOURCE, NVIDIA_RESOURCE = "huawei.com/Ascend910", "nvidia.com/gpu"
ASCEND_LABELS = {"node.kubernetes.io/npu.chip.name": "910B3"}
H20_LABELS = {"nvidia.com/gpu.product": "NVIDIA-H20"}
IMAGE = "registry.example.my/vllm@sha256:" + "2b" * 32
WEIGHTS_IMAGE = "registry.example.my/daulat@sha256:" + "3c" * 32
URI = "oci://registry.example.my/models/deepseek@sha256:" + "1a" * 32


def node(
    name: str,
    site: str = "cyberjaya-1",
    devices: Mapping[str, Any] | None = None,
    ready: bool = True,
    labels: Mapping[str, str] | None = None,
) -> Raw:
    """Return a Node of a site with devices."""
    return {
        "metadata": {"name": name, "labels": {**({SITE: site} if site else {}), **(labels or {})}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "64", "memory": "512Gi", **(devices or {})},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def ascend(
    name: str, site: str = "cyberjaya-1", count: int = 8, ready: bool = True, labels: Mapping[str, str] | None = None
) -> Raw:
    """Return a node with Ascend 910B devices."""
    return node(name, site, {ASCEND_RESOURCE: str(count)}, ready, {**ASCEND_LABELS, **(labels or {})})


def h20(
    name: str, site: str = "cyberjaya-1", count: int = 8, ready: bool = True, labels: Mapping[str, str] | None = None
) -> Raw:
    """Return a node with H20 devices."""
    return node(name, site, {NVIDIA_RESOURCE: str(count)}, ready, {**H20_LABELS, **(labels or {})})


def zone(name: str = "cyberjaya-1", **spec: Any) -> Raw:
    """Return a SovereignZone, changed by merging."""
    body = {
        "country": "MY",
        "facility": {"name": "DC 1"},
        "operator": {"legalName": "Example Sdn Bhd", "country": "MY", "ultimateParentCountry": "MY"},
        "maximumDataClass": "confidential",
        "nodeSelector": {"matchLabels": {SITE: name}},
    }
    return {"metadata": _meta(name), "spec": merge(body, spec)}


def policy(name: str = "confidential", **spec: Any) -> Raw:
    """Return a SovereigntyPolicy, changed by merging."""
    body = {
        "namespaceSelector": {"matchLabels": {"daulat.dev/data-class": "confidential"}},
        "zones": {"countries": ["MY"]},
        "accelerators": {"profiles": [ASCEND, H20]},
    }
    return {"metadata": _meta(name), "spec": merge(body, spec)}


def model(name: str = "deepseek", namespace: str = "treasury", status: Raw | None = None, **spec: Any) -> Raw:
    """Return a SovereignModel, changed by merging."""
    body = {
        "model": {
            "name": "deepseek-r1-distill-qwen-32b",
            "uri": URI,
            "developer": "deepseek-ai",
            "originCountry": "CN",
            "license": "MIT",
        },
        "accelerators": [choice(ASCEND, 4), choice(H20, 2)],
        "replicas": 1,
    }
    meta = {**_meta(name), "namespace": namespace, "uid": f"uid-{namespace}-{name}"}
    return {"metadata": meta, "spec": merge(body, spec), "status": status or {}}


def choice(profile: str, count: int, **more: Any) -> Raw:
    """Return one accelerator of a model."""
    return {"profile": profile, "count": count, "image": IMAGE, **more}


def standing(profile: str, resource: str, *nodes: str, zone: str = "cyberjaya-1") -> Raw:
    """Return the status of a model that is placed."""
    return {"placement": {"zone": zone, "accelerator": profile, "resource": resource, "nodes": list(nodes)}}


def exemption(name: str = "e", **spec: Any) -> Raw:
    """Return a SovereigntyExemption, changed by merging."""
    body = {
        "policy": "confidential",
        "controls": ["SUP-01"],
        "namespaces": ["treasury"],
        "reason": "the mirror is being built",
        "requestedBy": "alice",
        "approvals": [{"user": "ciso", "reference": "T-1"}],
        "expiresAt": "2030-01-01T00:00:00Z",
    }
    return {"metadata": _meta(name), "spec": merge(body, spec)}


def inventory(name: str = "delivered", *chips: str, **spec: Any) -> Raw:
    """Return an AcceleratorInventory of one delivery, changed by merging."""
    permit = {"reference": "STA-2026-0417", "date": "2025-12-01"}
    delivery = {"name": "DN-1", "permit": permit, "received": "2026-01-01", "chips": list(chips)}
    return {"metadata": _meta(name), "spec": merge({"zones": ["cyberjaya-1"], "deliveries": [delivery]}, spec)}


def namespace(name: str = "treasury", terminating: bool = False, **labels: str) -> Raw:
    """Return a governed Namespace, or one with other labels."""
    meta: Raw = {"name": name, "labels": labels or {"daulat.dev/data-class": "confidential"}}
    return {"metadata": {**meta, **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if terminating else {})}}


def pod(
    name: str,
    on: str = "",
    devices: Mapping[str, Any] | None = None,
    model: str = "",
    namespace: str = "treasury",
    pins: Mapping[str, str] | None = None,
) -> Raw:
    """Return a Pod that asks for devices."""
    # As a workload of the model makes it.
    owners = [{"kind": "ReplicaSet", "name": f"{model}-1", "controller": True}] if model else []
    labels = {MODEL_LABEL: model} if model else {}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owners},
        "spec": {
            "nodeName": on,
            "nodeSelector": dict(pins or {}),
            "containers": [{"name": "c", "resources": {"limits": dict(devices or {})}}],
        },
        "status": {"phase": "Running"},
    }


def device(name: str, product: str = "NVIDIA H20", **more: Any) -> Raw:
    """Return a device of a ResourceSlice, as NVIDIA's driver describes it."""
    attributes = {"type": {"string": "gpu"}, "productName": {"string": product}, "uuid": {"string": f"GPU-{name}"}}
    return {"name": name, "attributes": attributes, **more}


def offered(node: str, *devices: Raw, driver: str = "gpu.nvidia.com", name: str = "", **spec: Any) -> Raw:
    """Return the ResourceSlice of a node's own pool, changed by merging."""
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    body = {"driver": driver, "nodeName": node, "pool": pool, "devices": list(devices)}
    return {"metadata": {"name": name or f"{node}-{driver}"}, "spec": merge(body, spec)}


def held(name: str, node: str, *devices: str, namespace: str = "treasury", model: str = "", **result: Any) -> Raw:
    """Return a ResourceClaim that holds devices of a node's own pool."""
    results = [{"driver": "gpu.nvidia.com", "pool": node, "device": d, "request": "r", **result} for d in devices]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {MODEL_LABEL: model} if model else {}},
        "status": {
            "allocation": {"devices": {"results": results}},
            "reservedFor": [{"resource": "pods", "name": f"{name}-pod", "uid": "1"}],
        },
    }


def workload(
    name: str = "job", pods: int = 1, devices: Mapping[str, Any] | None = None, namespace: str = "treasury", **more: Any
) -> Raw:
    """Return a Workload of Kueue that has quota and waits for the AdmissionCheck ``sovereignty``, changed by merging."""
    spec = {"containers": [{"name": "c", "resources": {"limits": dict(devices or {})}}]}
    reserved = {"type": "QuotaReserved", "status": "True", "reason": "QuotaReserved", "message": ""}
    body = {
        "metadata": {**_meta(name), "namespace": namespace, "uid": f"uid-{name}"},
        "spec": {
            "active": True,
            "queueName": "team",
            "podSets": [{"name": "main", "count": pods, "template": {"spec": spec}}],
        },
        "status": {
            "conditions": [reserved],
            "admissionChecks": [{"name": "sovereignty", "state": "Pending", "message": ""}],
        },
    }
    return cast("Raw", merge(body, more))


def admission_check(name: str = "sovereignty", controller: str = "daulat.dev/sovereignty", **more: Any) -> Raw:
    """Return an AdmissionCheck of Kueue, changed by merging."""
    return cast("Raw", merge({"metadata": _meta(name), "spec": {"controllerName": controller}}, more))


def flavor(name: str, **spec: Any) -> Raw:
    """Return a ResourceFlavor of Kueue."""
    return {"metadata": _meta(name), "spec": spec}


def child(kind: str, name: str, namespace: str = "", model: str = "", policy: str = "", **more: Any) -> Raw:
    """Return an object that Daulat made."""
    labels = {"app.kubernetes.io/managed-by": "daulat"}
    labels |= {MODEL_LABEL: model} if model else {}
    labels |= {"daulat.dev/policy": policy} if policy else {}
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{kind}-{name}", "labels": labels, "generation": 1}
    if model:
        meta["ownerReferences"] = [{"uid": f"uid-{namespace}-{model}"}]
    return cast("Raw", merge({"kind": kind, "metadata": meta}, more))


def guards_of(policy: Raw) -> list[Raw]:
    """Return the guard of pods that a policy was compiled to, with its binding."""
    of, selector = policy["metadata"]["name"], policy["spec"].get("namespaceSelector")
    name, kind = f"{of}.pods.daulat.dev", "ValidatingAdmissionPolicy"
    binding = child(f"{kind}Binding", name, policy=of, spec={"matchResources": {"namespaceSelector": selector}})
    return [child(kind, name, policy=of), binding]


def gateway(name: str = "internal", class_: str = "internal", namespace: str = "treasury", **spec: Any) -> Raw:
    """Return a Gateway with one HTTPS listener for a name, changed by merging."""
    listener = {"name": "https", "hostname": "*.example.my", "protocol": "HTTPS", "port": 443}
    return {
        "metadata": {**_meta(name), "namespace": namespace},
        "spec": merge({"gatewayClassName": class_, "listeners": [listener]}, spec),
    }


@cache
def _profiles() -> tuple[Raw, ...]:
    names = (ASCEND, H20, "nvidia-h100")
    return tuple(p for p in accelerators.manifests() if p["metadata"]["name"] in names)


def _meta(name: str) -> Raw:
    return {"name": name, "uid": f"uid-{name}", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}


@dataclass
class World:
    """A cluster as raw objects. By default two Ascend nodes and an H20 node in one zone, under one policy."""

    nodes: list[Raw] = field(default_factory=lambda: [ascend("a1"), ascend("a2"), h20("h1")])
    zones: list[Raw] = field(default_factory=lambda: [zone()])
    policies: list[Raw] = field(default_factory=lambda: [policy()])
    models: list[Raw] = field(default_factory=lambda: [model()])
    namespaces: list[Raw] = field(default_factory=lambda: [namespace()])
    profiles: list[Raw] = field(default_factory=lambda: list(_profiles()))
    pods: list[Raw] = field(default_factory=list)
    slices: list[Raw] = field(default_factory=list)
    claims: list[Raw] = field(default_factory=list)
    exemptions: list[Raw] = field(default_factory=list)
    attestations: list[Raw] = field(default_factory=list)
    inventories: list[Raw] = field(default_factory=list)
    children: list[Raw] = field(default_factory=list)
    canaries: dict[str, Canary] = field(default_factory=dict)
    tries: list[tuple[str, Canary, Proof | None]] = field(default_factory=list)
    """Canaries of policies one after the other, each with what it proves."""
    charges: dict[str, list[Charge]] = field(default_factory=dict)
    """What was taken away under policies of late."""
    obstacles: dict[Ref, str] = field(default_factory=dict)
    weights_image: str = WEIGHTS_IMAGE
    gateways: list[Raw] = field(default_factory=list)
    volumes: list[Raw] = field(default_factory=list)
    workloads: list[Raw] = field(default_factory=list)
    checks: list[Raw] = field(default_factory=lambda: [admission_check()])
    flavors: list[Raw] = field(default_factory=list)
    platform: Platform = field(default_factory=Platform)
    unserved: tuple[str, ...] = ()
    """Kinds of other projects that aren't installed."""
    unlisted: tuple[str, ...] = ()
    """Kinds that couldn't be listed yet."""
    refused: tuple[str, ...] = ()
    """Those of them whose list the API server refused."""
    capabilities: Capabilities = DEFAULT
    moment: float = 0.0
    """The time at which statements are judged."""
    in_force: bool = True
    """Whether the policies' guards of pods are there, so that they are in force."""

    def snapshot(self) -> Snapshot:
        """Return all of it as the operator knows it."""
        return self.store().snapshot()

    def store(self) -> Store:
        """Return a store that has taken all of it in."""
        store = Store(OPERATOR_NAMESPACE, self.weights_image, self.platform)
        kinds = {
            "Node": self.nodes,
            "SovereignZone": self.zones,
            "SovereigntyPolicy": self.policies,
            "SovereignModel": self.models,
            "Namespace": self.namespaces,
            "AcceleratorProfile": self.profiles,
            "Pod": self.pods,
            "ResourceSlice": self.slices,
            "ResourceClaim": self.claims,
            "SovereigntyExemption": self.exemptions,
            "NodeAttestation": self.attestations,
            "AcceleratorInventory": self.inventories,
            "Gateway": self.gateways,
            "PersistentVolume": self.volumes,
            "Workload": self.workloads,
            "AdmissionCheck": self.checks,
            "ResourceFlavor": self.flavors,
        }
        for kind, items in kinds.items():
            for item in items:
                store.apply(kind, item)
        guards = [g for raw in self.policies for g in guards_of(raw)] if self.in_force else []
        for item in [*guards, *self.children]:
            store.apply(item["kind"], item)
        store.record_capabilities(self.capabilities)
        store.advance(self.moment)
        store.record_unlisted(frozenset(self.unlisted), frozenset(self.refused))
        for kind in self.unserved:
            store.record_served(kind, served=False)
        for name, canary in self.canaries.items():
            store.record_canary(name, canary)
        for name, canary, proof in self.tries:
            store.record_canary(name, canary, proof)
        for name, charges in self.charges.items():
            for charge in charges:
                store.record_charge(name, charge)
        for ref, message in self.obstacles.items():
            store.record_report(ref, Report(apply=message))
        return store

    def woken(self, kind: str, raw: Raw, *, gone: bool = False) -> list[Ref]:
        """Return the keys that are woken when the object comes or changes, or goes."""
        store = self.store()
        if gone:
            store.apply(kind, raw)
        change = store.delete(kind, raw) if gone else store.apply(kind, raw)
        return [key for key, _ in woken(change, store.snapshot())] if change is not None else []

    def with_status_of(self, effects: tuple[Effect, ...]) -> World:
        """Write the statuses that are to be applied into the raw objects, as the API server would."""
        of_kind = {
            "SovereignZone": self.zones,
            "SovereigntyPolicy": self.policies,
            "SovereignModel": self.models,
            "AcceleratorProfile": self.profiles,
            "SovereigntyExemption": self.exemptions,
            "NodeAttestation": self.attestations,
            "AcceleratorInventory": self.inventories,
        }
        for effect in effects:
            if isinstance(effect, ApplyStatus):
                for raw in of_kind[effect.ref.kind]:
                    if raw["metadata"]["name"] == effect.ref.name:
                        raw["status"] = effect.status
        return self


def the_model(snapshot: Snapshot, name: str = "deepseek", namespace: str = "treasury") -> Model:
    """Return a model that could be read."""
    found = snapshot.models[Ref("SovereignModel", namespace, name)]
    assert isinstance(found, Declared)
    return found


def the_policy(snapshot: Snapshot, name: str = "confidential") -> Policy:
    """Return a policy that could be read."""
    return snapshot.known_policies[name]


def the_zone(snapshot: Snapshot, name: str = "cyberjaya-1") -> Zone:
    """Return a zone that could be read."""
    return snapshot.known_zones[name]
