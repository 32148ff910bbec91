"""AcceleratorProfile: how one accelerator appears in Kubernetes, who makes it, what runs on it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .frozen import FrozenDict
from .meta import SELECTOR_VALUES, ConditionedStatus, CountryCode, LabelKey, LabelSelector, ObjectName, Spec
from .resources import ResourceName, ResourcePattern, fits

EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
UrlPath = Annotated[str, Field(pattern=r"^/[-A-Za-z0-9._~/]*$", max_length=256)]
EngineName = Literal["custom", "llama.cpp", "mindie", "sglang", "vllm"]
Precision = Literal["FP32", "BF16", "FP16", "FP8", "INT8", "INT4", "MXFP4"]
"""In what form weights are kept. INT8 stands for W8A8, INT4 for four-bit weights with 16-bit scales (AWQ, GPTQ, W4A8)."""


class Vendor(Spec):
    """The vendor of the accelerator."""

    name: str = Field(min_length=1, max_length=64)
    """The vendor's name."""
    country: CountryCode
    """The country of the vendor's headquarters."""
    parent_country: CountryCode | None = None
    """The country of the vendor's ultimate parent, where that is another."""


class DeviceResource(Spec):
    """One extended resource by which pods request the accelerator."""

    name: ResourceName
    """The exact resource name, such as huawei.com/Ascend910."""
    sharing: Literal["Whole", "Partition", "TimeSliced"]
    """Whole: a whole device. Partition: a part with its own memory. TimeSliced: a device shared without isolation."""
    memory_gi_b: int | None = Field(default=None, ge=1, le=4096, alias="memoryGiB")
    """Memory of one such device in GiB, where the vendor publishes it: the nominal size."""
    allocatable_memory_mi_b: int | None = Field(default=None, ge=1, le=4194304, alias="allocatableMemoryMiB")
    """What of it an engine can allocate, in MiB, as PyTorch reports the total; left out, all of it."""
    unit: Literal["Device", "Companion"] = "Device"
    """Companion: a quantity that accompanies a device (memory, cores) and isn't a device by itself."""

    @property
    def allocatable_gib(self) -> float | None:
        """What an engine can allocate on one such device, in GiB; None where the profile doesn't say."""
        return self.memory_gi_b if self.allocatable_memory_mi_b is None else self.allocatable_memory_mi_b / 1024


class ResourceFamily(Spec):
    """Extended resources whose names differ in numbers, such as those of partitions. A policy that approves the profile
    approves them."""

    pattern: ResourcePattern
    """The names: # matches digits, and * any part of a name after the slash, such as nvidia.com/mig-#g.#gb."""
    sharing: Literal["Whole", "Partition", "TimeSliced"]
    """As in resources."""
    unit: Literal["Device", "Companion"] = "Device"
    """As in resources."""


AttributeName = Annotated[
    str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z_][A-Za-z0-9_]{0,31}$", max_length=96)
]
AttributeValue = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class DynamicResource(Spec):
    """How devices of this accelerator are identified among a driver's devices, where pods request them by ResourceClaims.

    The operator reads ResourceSlices with it, and writes the claims of a SovereignModel from it.
    """

    driver: ObjectName = Field(max_length=63)
    """The driver, as ResourceSlices name it, such as gpu.nvidia.com."""
    device_class_name: ObjectName
    """The DeviceClass that claims name."""
    attributes: FrozenDict[AttributeName, Annotated[tuple[AttributeValue, ...], Field(min_length=1, max_length=16)]] = (
        Field(default_factory=FrozenDict, max_length=8)
    )
    """The values that a device's attributes must have: for each name one value of its list. A name without a slash is in the
    driver's domain. Only string attributes can be compared, and none that identifies a single device, such as uuid or
    attributes under resource.kubernetes.io/. Left out, every device of the driver matches."""
    by_node_labels: bool = False
    """Whether nodes must have the labels of nodeSelector as well, because the attributes alone don't identify this product."""
    memory_gi_b: int | None = Field(default=None, ge=1, le=4096, alias="memoryGiB")
    """Memory of one such device in GiB, where it isn't that of the first resource."""
    allocatable_memory_mi_b: int | None = Field(default=None, ge=1, le=4194304, alias="allocatableMemoryMiB")
    """What of it an engine can allocate, in MiB; left out, all of memoryGiB, or as much as of the first resource."""


class DeviceAccess(Spec):
    """The ways by which containers reach the devices without a resource request. Policies refuse all of them."""

    environment: tuple[EnvName, ...] = Field(default=(), max_length=64)
    """Environment variables by which the container runtime injects devices."""
    runtime_class_names: tuple[str, ...] = Field(default=(), max_length=16)
    """RuntimeClasses whose runtime injects devices into containers."""
    annotations: tuple[str, ...] = Field(default=(), max_length=64)
    """Pod annotations that select devices; an entry that ends with a slash matches every annotation under it."""
    paths: tuple[Annotated[str, Field(pattern=r"^/dev/[-A-Za-z0-9_/]+$")], ...] = Field(default=(), max_length=32)
    """How the paths of its device files begin, such as /dev/davinci. Policies refuse every host path, these among them."""


class EngineSettings(Spec):
    """How one engine runs on this accelerator."""

    name: EngineName
    """The inference engine."""
    image: str | None = Field(default=None, min_length=1, max_length=512)
    """The image to run unless the model names one. If policies require digests, mirror the image and set it by digest."""
    command: tuple[str, ...] = Field(default=(), max_length=16)
    """The command that starts the engine; empty where the image's own entrypoint does."""
    args: tuple[str, ...] = Field(default=(), max_length=64)
    """Arguments that the engine needs on this accelerator."""
    env: FrozenDict[EnvName, str] = Field(default_factory=FrozenDict, max_length=64)
    """Environment that the engine needs on this accelerator."""
    health_path: UrlPath | None = None
    """The path of the engine's health endpoint, if the vendor's build differs from the engine's own."""
    metrics_path: UrlPath | None = None
    """The path of the engine's metrics, if the vendor's build differs from the engine's own."""
    startup_seconds: int | None = Field(default=None, ge=10, le=86400)
    """Seconds that the engine's first start may take on this accelerator, if the engine's default doesn't suit."""


class IdentifyingLabel(Spec):
    """A node label by which the accelerator is identified."""

    key: LabelKey
    """The label."""
    written_by: str = Field(min_length=1, max_length=128)
    """The component that writes the label. Anything that can write it can make other hardware pass for this accelerator."""


class Interconnect(Spec):
    """Which devices are joined by a fast interconnect."""

    scope: Literal["Node", "Domain"]
    """Node: those of one node. Domain: those of the nodes that share a label's value, such as an NVLink clique or a super-pod."""
    devices: int | None = Field(default=None, ge=2, le=65536)
    """The largest number of devices in one node or domain, if the vendor publishes it."""
    node_label: LabelKey | None = None
    """The node label whose value identifies the domain."""


class RiskFlag(Spec):
    """A dated note that the accelerator falls under a legal regime. It is data for policies, not legal advice."""

    regime: str = Field(pattern=r"^[A-Z0-9]([-A-Z0-9]*[A-Z0-9])?$", max_length=63)
    """The regime's short name, such as US-GP10."""
    note: str = Field(min_length=1, max_length=1024)
    """The content of the regime that concerns the accelerator, in a sentence."""
    source: str = Field(min_length=1, max_length=512)
    """The document or URL where the note was read."""
    as_of: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    """The day on which the source was read."""


class AcceleratorProfileSpec(Spec):
    """One accelerator: its names in the cluster, its maker, its engines."""

    vendor: Vendor
    """The vendor."""
    family: str = Field(min_length=1, max_length=64)
    """The product family, such as Ascend or Hopper."""
    model: str = Field(min_length=1, max_length=64)
    """The product, such as 910B or H20."""
    resources: tuple[DeviceResource, ...] = Field(
        min_length=1,
        max_length=64,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "x-kubernetes-validations": [
                {"rule": "self[0].?unit.orValue('Device') == 'Device'", "message": "the first resource is a device"}
            ],
        },
    )
    """The extended resources by which pods request the accelerator. The first one is used for a SovereignModel."""
    resource_families: tuple[ResourceFamily, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["pattern"]},
    )
    """Patterns of further extended resources, for clusters that partition devices in ways that resources doesn't list. They
    aren't used for a SovereignModel."""
    dynamic_resources: tuple[DynamicResource, ...] = Field(default=(), max_length=16)
    """Its devices in dynamic resource allocation. The first one is used for a SovereignModel."""
    runtime_class_name: ObjectName | None = None
    """The RuntimeClass that pods which request the accelerator must have; left out, they need none."""
    scheduler_name: ObjectName | None = None
    """The scheduler of the pods of models that run on it, such as volcano, where its device plugin serves only pods that this
    scheduler placed; left out, the cluster's default. Policies must have its user in spec.schedulers."""
    device_groups: tuple[Annotated[int, Field(ge=1, le=2147483647)], ...] = Field(
        default=(), max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Groups by number that may open its device files on nodes; the pods of models that run on it are in them."""
    named_user: bool = False
    """Whether the vendor's libraries look up the name of the user and fail without one. If true, pods of models on this
    accelerator have an entry for their user in /etc/passwd."""
    interconnect: Interconnect | None = Field(
        default=None,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(self.scope == 'Domain') == has(self.nodeLabel)",
                    "message": "scope Domain requires nodeLabel, and scope Node doesn't allow it",
                }
            ]
        },
    )
    """Which of its devices are joined by a fast interconnect."""
    labels: tuple[IdentifyingLabel, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"]},
    )
    """The components that write the labels by which the accelerator is identified."""
    risk_flags: tuple[RiskFlag, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["regime"]},
    )
    """Legal regimes that the accelerator falls under. Only policies with accelerators.requireAcknowledgement evaluate them."""
    node_selector: LabelSelector | None = Field(
        default=None, json_schema_extra={"x-kubernetes-validations": [SELECTOR_VALUES]}
    )
    """Labels that the vendor's components put on nodes with this accelerator. They identify the product, and never suffice for
    eligibility."""
    devices_per_node: int | None = Field(default=None, ge=1, le=1024)
    """Devices in one node that communicate without the network: the largest number that one replica can have on a node."""
    precisions: tuple[Precision, ...] = Field(
        default=(), max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Precisions of weights that engines can serve on the accelerator, natively or by conversion on the device."""
    devices_per_package: int = Field(default=1, ge=1, le=64)
    """Devices in one physical package: 2 for an Ascend 910C, each of whose two dies is a device."""
    device_access: DeviceAccess = DeviceAccess()
    """The ways by which containers reach the devices without a resource request."""
    engines: tuple[EngineSettings, ...] = Field(
        default=(),
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """The engines that run on it."""

    def resource(self, name: str) -> DeviceResource | ResourceFamily | None:
        """Return what says how the accelerator is asked for by that name, or None where the name isn't its own."""
        exact = next((r for r in self.resources if r.name == name), None)
        return exact or next((f for f in self.resource_families if fits(f.pattern, name)), None)

    def engine(self, name: str) -> EngineSettings | None:
        """Return how the engine runs on this accelerator, or None where it doesn't. A custom engine is its author's concern."""
        own = EngineSettings(name="custom") if name == "custom" else None
        return next((e for e in self.engines if e.name == name), own)


class AcceleratorProfileStatus(ConditionedStatus):
    """Where the accelerator was found."""

    nodes: int | None = None
    """Nodes with at least one such device."""
    devices: int | None = None
    """Allocatable devices in the cluster."""
