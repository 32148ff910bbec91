"""Two policies, each twice: as Daulat compiles it, and as plain facts for the oracle, written down by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daulat.admission.policy import compile_policy
from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators

Manifest = dict[str, Any]
DIGEST = "@sha256:" + "0123456789abcdef" * 4
DEBUGGERS = "cleared-operators"
"""The group that may add ephemeral containers under both policies."""


@dataclass(frozen=True)
class Rules:
    """What one policy allows. Nothing in it is read from what Daulat compiles."""

    name: str
    spec: Manifest
    """The SovereigntyPolicy's spec, but for its namespaceSelector."""
    resources: frozenset[str]
    """Extended resources that may be asked for."""
    accelerators: frozenset[str]
    """Those among them that are accelerators."""
    device_classes: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()
    """Runtime classes that may be set; those that hand out devices only with an accelerator."""
    repositories: tuple[str, ...] = ()
    """Beginnings of what images may be called, each with the slash behind."""
    weights: tuple[str, ...] = ()
    """More of these for image volumes."""
    digest: bool = True
    volumes: frozenset[str] = frozenset()
    """Volume types that may be used beside those that stay within the pod's node and namespace."""
    drivers: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    """StorageClasses that ephemeral claims may name."""

    @property
    def pin(self) -> str:
        """The label of the nodes that are eligible."""
        return f"daulat.node-restriction.kubernetes.io/{self.name}"

    def manifests(self, namespace: str) -> list[Manifest]:
        """Return what the policy compiles to for the pods of one namespace, as nobody's own: no operator looks after it."""
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        spec = SovereigntyPolicySpec.model_validate({**self.spec, "namespaceSelector": selector})
        profiles = {**accelerators.shipped(), "example-npu": AcceleratorProfileSpec.model_validate(NPU)}
        compiled = compile_policy(self.name, spec, profiles)
        of_pods = {f"{self.name}.{part}.daulat.dev" for part in ("pin", "pods", "annotations")}
        found = [m for m in compiled.manifests if m["metadata"]["name"] in of_pods]
        return [{**m, "metadata": {"name": m["metadata"]["name"]}} for m in found]


NPU = {
    "vendor": {"name": "Example", "country": "MY"},
    "family": "Example",
    "model": "NPU 1",
    "resources": [{"name": "npu.example.my/npu", "sharing": "Whole", "memoryGiB": 64}],
    "deviceAccess": {
        "runtimeClassNames": ["example-npu"],
        "environment": ["EXAMPLE_NPU_DEVICES"],
        "annotations": ["npu.example.my/cards"],
    },
}
"""The spec of an AcceleratorProfile that is shipped by nobody, and that nobody can claim."""

STRICT = Rules(
    name="property-strict",
    spec={
        "zones": {"countries": ["MY"]},
        "accelerators": {"profiles": ["huawei-ascend-910b", "nvidia-h20"]},
        "models": {"sources": ["oci://weights.example.my/"], "requireDigest": True},
        "images": {"registries": ["registry.example.my/"], "requireDigest": True},
        "storage": {"storageClasses": ["encrypted"]},
        "access": {"groups": [DEBUGGERS]},
    },
    resources=frozenset({"huawei.com/Ascend910", "nvidia.com/gpu"}),
    accelerators=frozenset({"huawei.com/Ascend910", "nvidia.com/gpu"}),
    device_classes=frozenset({"gpu.nvidia.com", "npu.huawei.com"}),
    runtime_classes=frozenset({"nvidia", "nvidia-cdi", "nvidia-legacy", "ascend"}),
    repositories=("registry.example.my/",),
    weights=("weights.example.my/",),
    classes=frozenset({"encrypted"}),
)

OPEN = Rules(
    name="property-open",
    spec={
        "zones": {},
        "accelerators": {
            "profiles": ["example-npu"],
            "otherResources": ["rdma/hca"],
            "runtimeClassNames": ["gvisor"],
        },
        "images": {"registries": ["registry.example.my/", "mirror.example.org:5000/team-a/"]},
        "storage": {"storageClasses": ["encrypted"], "volumeTypes": ["nfs", "csi"], "drivers": ["csi.example.my"]},
        "exposure": {"nodePorts": True},
        "access": {"groups": [DEBUGGERS]},
    },
    resources=frozenset({"npu.example.my/npu", "rdma/hca"}),
    accelerators=frozenset({"npu.example.my/npu"}),
    runtime_classes=frozenset({"example-npu", "gvisor"}),
    repositories=("registry.example.my/", "mirror.example.org:5000/team-a/"),
    digest=False,
    volumes=frozenset({"nfs", "csi"}),
    drivers=frozenset({"csi.example.my"}),
    classes=frozenset({"encrypted"}),
)

RUNTIME_CLASSES = ("ascend", "example-npu", "gvisor", "kata-qemu", "nvidia", "nvidia-cdi", "nvidia-legacy")
"""Those that the cluster has: the API server refuses a pod of any other before it asks a policy."""
