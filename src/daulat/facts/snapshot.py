"""Everything that is known at one moment, immutable, so that a decision is made on one state of the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from daulat.api.accelerator import AcceleratorProfileSpec, AcceleratorProfileStatus
from daulat.api.attestation import NodeAttestationSpec, NodeAttestationStatus
from daulat.api.exemption import SovereigntyExemptionSpec, SovereigntyExemptionStatus
from daulat.api.inventory import AcceleratorInventorySpec, AcceleratorInventoryStatus
from daulat.api.meta import ConditionedStatus, LabelSelector
from daulat.api.model import SovereignModelSpec, SovereignModelStatus
from daulat.api.names import CHECK_CONTROLLER
from daulat.api.policy import SovereigntyPolicySpec, SovereigntyPolicyStatus
from daulat.api.zone import SovereignZoneSpec, SovereignZoneStatus
from daulat.catalog.kubernetes import DEFAULT, Capabilities
from daulat.kube.ref import Ref

from .charge import Charge
from .child import Child
from .declared import Declared, Unparsable
from .definition import Definition
from .derived import DerivedFacts
from .devices import Allocation, DeviceId, Slice
from .gateway import Gateway
from .namespace import Namespace
from .node import Node
from .platform import Platform
from .pod import Pod
from .queued import AdmissionCheck, Flavor, QueuedWorkload
from .report import Report
from .unknown import Unknown
from .volume import Volume

T = TypeVar("T", bound=ConditionedStatus)

Model = Declared[SovereignModelSpec, SovereignModelStatus]
Policy = Declared[SovereigntyPolicySpec, SovereigntyPolicyStatus]
Zone = Declared[SovereignZoneSpec, SovereignZoneStatus]
Profile = Declared[AcceleratorProfileSpec, AcceleratorProfileStatus]
Attestation = Declared[NodeAttestationSpec, NodeAttestationStatus]
Exemption = Declared[SovereigntyExemptionSpec, SovereigntyExemptionStatus]
Inventory = Declared[AcceleratorInventorySpec, AcceleratorInventoryStatus]


@dataclass(frozen=True)
class Canary:
    """What came of a dry run of a violating pod in a governed namespace."""

    namespace: str
    refused: bool
    message: str
    at: float
    """Seconds on the operator's clock."""
    error: str = ""
    """Why there was no verdict, such as a webhook of others that fails; empty where there was one."""
    annotated: bool = False
    """Whether the namespace had the annotation then that pins its pods under the policy, where that is how they are pinned."""


@dataclass(frozen=True)
class Proof:
    """The last canary that was refused by the revision that the policy compiled to at that time."""

    revision: str
    generation: int
    selector: LabelSelector
    """The namespaces in which that revision is in force."""
    at: float
    """Seconds on the operator's clock."""


@dataclass(frozen=True)
class Snapshot:
    """All facts. Mappings are by name, or by Ref where a kind has namespaces."""

    nodes: Mapping[str, Node | Unknown] = field(default_factory=dict)
    zones: Mapping[str, Zone | Unparsable[SovereignZoneStatus]] = field(default_factory=dict)
    profiles: Mapping[str, Profile | Unparsable[AcceleratorProfileStatus]] = field(default_factory=dict)
    policies: Mapping[str, Policy | Unparsable[SovereigntyPolicyStatus]] = field(default_factory=dict)
    exemptions: Mapping[str, Exemption | Unparsable[SovereigntyExemptionStatus]] = field(default_factory=dict)
    attestations: Mapping[str, Attestation | Unparsable[NodeAttestationStatus]] = field(default_factory=dict)
    models: Mapping[Ref, Model | Unparsable[SovereignModelStatus]] = field(default_factory=dict)
    inventories: Mapping[str, Inventory | Unparsable[AcceleratorInventoryStatus]] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    pods: Mapping[Ref, Pod] = field(default_factory=dict)
    pods_by_node: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)
    """The device-holding pods that are on a node."""
    held: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How many of each resource the pods on a node hold, by node."""
    pods_by_model: Mapping[tuple[str, str], tuple[Pod, ...]] = field(default_factory=dict)
    """The device-holding pods of every model, by namespace and name."""
    slices: Mapping[str, Slice] = field(default_factory=dict)
    """The ResourceSlices: what drivers of dynamic resource allocation offer."""
    allocations: Mapping[Ref, Allocation] = field(default_factory=dict)
    """What ResourceClaims hold."""
    pins: Mapping[str, int] = field(default_factory=dict)
    """Every label under Daulat's prefix that some pod is pinned to, and by how many."""
    nodes_by_pin: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For each such label, the nodes with pods that are pinned to it, and the number of these pods on each."""
    running: Mapping[str, int] = field(default_factory=dict)
    """How many pods that are pinned to each such label are on a node and aren't being deleted."""
    placed: Mapping[str, Mapping[frozenset[str], Mapping[str, int]]] = field(default_factory=dict)
    """By namespace and the labels that pods are pinned to, none where they aren't pinned: how many are on each node."""
    charges: Mapping[str, tuple[Charge, ...]] = field(default_factory=dict)
    """What was taken away under each policy of late."""
    children: Mapping[Ref, Child] = field(default_factory=dict)
    children_by_model: Mapping[tuple[str, str], tuple[Child, ...]] = field(default_factory=dict)
    """What was made for every model, by the model's namespace and name."""
    children_by_policy: Mapping[str, tuple[Child, ...]] = field(default_factory=dict)
    """What every policy was compiled to, by the policy's name."""
    gateways: Mapping[Ref, Gateway] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    workloads: Mapping[Ref, QueuedWorkload] = field(default_factory=dict)
    """The workloads in Kueue's queues that have AdmissionChecks. They are read only where that is switched on."""
    admission_checks: Mapping[str, AdmissionCheck] = field(default_factory=dict)
    flavors: Mapping[str, Flavor] = field(default_factory=dict)
    canaries: Mapping[str, Canary] = field(default_factory=dict)
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """What was proved last of each policy, as far as nothing has disproved it since."""
    reports: Mapping[Ref, Report] = field(default_factory=dict)
    """What couldn't be carried out of the last pass over a key."""
    unserved: frozenset[str] = frozenset()
    """The kinds of other projects that this API server doesn't know, such as LeaderWorkerSet."""
    unlisted: frozenset[str] = frozenset()
    """The kinds that couldn't be listed yet: objects of them may be there."""
    refused: frozenset[str] = frozenset()
    """Those of them whose list the API server refused, as for want of rights, or failed to answer several times: waiting alone
    brings no list."""
    untrusted: Mapping[str, str] = field(default_factory=dict)
    """The API groups of which nothing new is believed, with the reason. Nothing is decided as long as there is one."""
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    """How the CustomResourceDefinitions of Daulat's own kinds differ from those of this release, by kind."""
    assumed: Mapping[Ref, ConditionedStatus] = field(default_factory=dict)
    """The status that was decided for a model or a policy and isn't known to be written yet: what it says counts already."""
    capabilities: Capabilities = DEFAULT
    """What the cluster's Kubernetes offers."""
    moment: float = 0.0
    """The time at which statements are judged, in seconds since the epoch. It moves on before a pass, and tells what it changes."""
    operator_namespace: str = "daulat-system"
    weights_image: str = ""
    """The image with which this release fetches and checks weights in pods; empty where the operator wasn't told."""
    platform: Platform = field(default_factory=Platform)
    derived: DerivedFacts = field(default_factory=DerivedFacts, compare=False, repr=False)
    """What is worked out from these facts, shared with later snapshots as far as it stays true."""
    sequence: int = field(default=0, compare=False, repr=False)
    """The number of changes that came before, by which derived facts tell whether this is the newest snapshot."""

    @cached_property
    def known_policies(self) -> dict[str, Policy]:
        """The policies that could be read, by name."""
        return _known(self.policies)

    @cached_property
    def known_zones(self) -> dict[str, Zone]:
        """The zones that could be read, by name."""
        return _known(self.zones)

    @cached_property
    def known_attestations(self) -> dict[str, Attestation]:
        """The NodeAttestations that could be read, by name."""
        return _known(self.attestations)

    @cached_property
    def known_profiles(self) -> dict[str, AcceleratorProfileSpec]:
        """The profiles that could be read, by name."""
        return {name: profile.spec for name, profile in _known(self.profiles).items()}

    @cached_property
    def own_checks(self) -> frozenset[str]:
        """The names of the AdmissionChecks that the operator is the controller of."""
        return frozenset(n for n, check in self.admission_checks.items() if check.controller == CHECK_CONTROLLER)

    @cached_property
    def known_models(self) -> dict[Ref, Model]:
        """The models that could be read."""
        by_name = sorted(self.models.items(), key=lambda item: (item[0].namespace, item[0].name))
        return {ref: model for ref, model in by_name if isinstance(model, Declared)}

    @cached_property
    def held_devices(self) -> dict[DeviceId, list[Allocation]]:
        """Who holds each device of dynamic resource allocation. Some devices can be shared."""
        found: dict[DeviceId, list[Allocation]] = {}
        for _, allocation in sorted(self.allocations.items()):
            for device in allocation.devices:
                found.setdefault(device, []).append(allocation)
        return found

    def governing(self, namespace: str) -> list[Policy]:
        """Return the policies that govern the namespace, by name."""
        found = self.namespaces.get(namespace)
        if found is None:
            return []
        return [p for _, p in sorted(self.known_policies.items()) if p.spec.namespace_selector.matches(found.labels)]

    def governed_by(self, policy: Policy) -> list[Namespace]:
        """Return the namespaces that a policy governs."""
        return [n for n in self.namespaces.values() if policy.spec.namespace_selector.matches(n.labels)]

    def latest_status(self, ref: Ref, declared: Declared[Any, T]) -> T:
        """Return what was decided last for a model or a policy, written or not."""
        return cast("T", self.assumed.get(ref, declared.status))

    def serves(self, kind: str) -> bool:
        """Say whether objects of the kind can be made."""
        return kind not in self.unserved

    def unparsable_policies(self) -> list[str]:
        """Return the names of policies that couldn't be read: they may govern anything."""
        return sorted(name for name, policy in self.policies.items() if isinstance(policy, Unparsable))


def _known(objects: Mapping[str, Declared[Any, Any] | Unparsable[Any]]) -> dict[str, Any]:
    return {name: value for name, value in sorted(objects.items()) if isinstance(value, Declared)}
