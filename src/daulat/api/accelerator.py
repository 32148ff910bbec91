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
    """Who makes the accelerator."""

    name: str = Field(min_length=1, max_length=64)
    """The vendor's name."""
    country: CountryCode
    """The country of the vendor's headquarters."""
    parent_country: CountryCode | None = None
    """The country of the vendor's ultimate parent, where that is another."""


class DeviceResource(Spec):
    """One extended resource that the accelerator is asked for by."""

    name: ResourceName
    """The exact resource name, such as huawei.com/Ascend910."""
    sharing: Literal["Whole", "Partition", "TimeSliced"]
    """Whole: a device of one's own. Partition: a part with its own memory. TimeSliced: a device shared without isolation."""
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
    """Extended resources whose names differ in their figures, such as those of partitions. Approved with the profile."""

    pattern: ResourcePattern
    """The names, where # stands for digits and * for any part of a name after the slash, such as nvidia.com/mig-#g.#gb."""
    sharing: Literal["Whole", "Partition", "TimeSliced"]
    """As in resources."""
    unit: Literal["Device", "Companion"] = "Device"
    """As in resources."""


AttributeName = Annotated[
    str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z_][A-Za-z0-9_]{0,31}$", max_length=96)
]
AttributeValue = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class DynamicResource(Spec):
    """How a driver's devices of this accelerator are told apart, where pods ask for them by ResourceClaims.

    ResourceSlices are read by it, and the claims of a SovereignModel are written from it.
    """

    driver: ObjectName = Field(max_length=63)
    """The driver, as ResourceSlices name it, such as gpu.nvidia.com."""
    device_class_name: ObjectName
    """The DeviceClass that claims name."""
    attributes: FrozenDict[AttributeName, Annotated[tuple[AttributeValue, ...], Field(min_length=1, max_length=16)]] = (
        Field(default_factory=FrozenDict, max_length=8)
    )
    """Values that a device's attributes must have, one of each list; a name without a slash is the driver's own. Only text is
    compared, and nothing that names a single device, such as uuid or what stands under resource.kubernetes.io/. Left out, every
    device of the driver is one."""
    by_node_labels: bool = False
    """Whether nodes must have the labels of nodeSelector as well, because the attributes alone don't tell this product."""
    memory_gi_b: int | None = Field(default=None, ge=1, le=4096, alias="memoryGiB")
    """Memory of one such device in GiB, where it isn't that of the first resource."""
    allocatable_memory_mi_b: int | None = Field(default=None, ge=1, le=4194304, alias="allocatableMemoryMiB")
    """What of it an engine can allocate, in MiB; left out, all of memoryGiB, or as much as of the first resource."""


class DeviceAccess(Spec):
    """The ways that containers reach the devices without asking for the resource. All of them are refused."""

    environment: tuple[EnvName, ...] = Field(default=(), max_length=64)
    """Environment variables by which the container runtime hands out devices."""
    runtime_class_names: tuple[str, ...] = Field(default=(), max_length=16)
    """RuntimeClasses whose runtime hands out devices."""
    annotations: tuple[str, ...] = Field(default=(), max_length=64)
    """Pod annotations that choose devices; one that ends with a slash stands for every annotation under it."""
    paths: tuple[Annotated[str, Field(pattern=r"^/dev/[-A-Za-z0-9_/]+$")], ...] = Field(default=(), max_length=32)
    """How the paths of its device files begin, such as /dev/davinci. Policies refuse every host path, these among them."""


class EngineSettings(Spec):
    """How one engine runs on this accelerator."""

    name: EngineName
    """The inference engine."""
    image: str | None = Field(default=None, min_length=1, max_length=512)
    """The image to run unless the model names one. Where policies ask for digests, mirror it and set it by digest."""
    command: tuple[str, ...] = Field(default=(), max_length=16)
    """The command that starts the engine; empty where the image's own entrypoint does."""
    args: tuple[str, ...] = Field(default=(), max_length=64)
    """Arguments that the engine needs on this accelerator."""
    env: FrozenDict[EnvName, str] = Field(default_factory=FrozenDict, max_length=64)
    """Environment that the engine needs on this accelerator."""
    health_path: UrlPath | None = None
    """Where it says that it can answer, where the vendor's build differs from the engine's own."""
    metrics_path: UrlPath | None = None
    """Where its metrics are, where the vendor's build differs from the engine's own."""
    startup_seconds: int | None = Field(default=None, ge=10, le=86400)
    """How long its first start may take on this accelerator, where that is more or less than is usual for the engine."""


class IdentifyingLabel(Spec):
    """A node label by which the accelerator is told."""

    key: LabelKey
    """The label."""
    written_by: str = Field(min_length=1, max_length=128)
    """Whose it is: who can write it can make other hardware pass for this."""


class Interconnect(Spec):
    """Which devices reach each other fast."""

    scope: Literal["Node", "Domain"]
    """Node: those of one node. Domain: those of the nodes that share a label's value, such as an NVLink clique or a super-pod."""
    devices: int | None = Field(default=None, ge=2, le=65536)
    """The most devices in one of them, where the vendor says."""
    node_label: LabelKey | None = None
    """The label whose value tells domains apart."""


class RiskFlag(Spec):
    """A dated note that a legal regime concerns this accelerator. Data for policies that ask for it, not legal advice."""

    regime: str = Field(pattern=r"^[A-Z0-9]([-A-Z0-9]*[A-Z0-9])?$", max_length=63)
    """The regime's short name, such as US-GP10."""
    note: str = Field(min_length=1, max_length=1024)
    """What it says, in a sentence."""
    source: str = Field(min_length=1, max_length=512)
    """Where that is written."""
    as_of: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    """The day on which the source was read."""


class AcceleratorProfileSpec(Spec):
    """One accelerator: its names in the cluster, its maker, its engines."""

    vendor: Vendor
    """Who makes it."""
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
    """The extended resources it is asked for by. The first one is used for a SovereignModel."""
    resource_families: tuple[ResourceFamily, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["pattern"]},
    )
    """More of them by pattern, for clusters that partition devices in ways that nobody lists. No SovereignModel is given one."""
    dynamic_resources: tuple[DynamicResource, ...] = Field(default=(), max_length=16)
    """Its devices in dynamic resource allocation. The first one is used for a SovereignModel."""
    runtime_class_name: ObjectName | None = None
    """The RuntimeClass that pods which ask for it must have; left out, they need none."""
    scheduler_name: ObjectName | None = None
    """The scheduler of the pods of models that run on it, such as volcano, where its device plugin serves only pods that this
    scheduler placed; left out, the cluster's default. Policies must have its user in spec.schedulers."""
    device_groups: tuple[Annotated[int, Field(ge=1, le=2147483647)], ...] = Field(
        default=(), max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Groups by number that may open its device files on nodes; the pods of models that run on it are in them."""
    named_user: bool = False
    """Whether its libraries look the user up by name and fail without one; the pods of models that run on it then have a name."""
    interconnect: Interconnect | None = Field(
        default=None,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(self.scope == 'Domain') == has(self.nodeLabel)",
                    "message": "a Domain has a nodeLabel that tells it apart, a Node needs none",
                }
            ]
        },
    )
    """Which of its devices reach each other fast."""
    labels: tuple[IdentifyingLabel, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"]},
    )
    """Who writes the labels that tell it apart."""
    risk_flags: tuple[RiskFlag, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["regime"]},
    )
    """Legal regimes that concern it. They matter to policies with accelerators.requireAcknowledgement alone."""
    node_selector: LabelSelector | None = Field(
        default=None, json_schema_extra={"x-kubernetes-validations": [SELECTOR_VALUES]}
    )
    """Labels that the vendor's components put on nodes with this accelerator: told apart by them, never trusted alone."""
    devices_per_node: int | None = Field(default=None, ge=1, le=1024)
    """Devices in one node that reach each other without the network: as many as one replica can have on a node."""
    precisions: tuple[Precision, ...] = Field(
        default=(), max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Forms of weights that engines can serve on it, if only by turning them into another in the device."""
    devices_per_package: int = Field(default=1, ge=1, le=64)
    """Devices in one physical package: 2 for an Ascend 910C, whose two dies are two devices."""
    device_access: DeviceAccess = DeviceAccess()
    """The ways that containers reach the devices without asking for the resource."""
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
