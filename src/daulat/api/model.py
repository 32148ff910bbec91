"""SovereignModel: serve this model, on one of these accelerators, in order of preference."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from .accelerator import EngineName, EnvName, Precision, UrlPath
from .autoscaling import Autoscaling, CustomMetrics
from .exposure import ModelExposure
from .frozen import FrozenDict
from .licenses import LICENSE_FORM
from .meta import DEFAULTED, ConditionedStatus, CountryCode, Duration, ObjectName, Observed, Spec, seconds_of
from .pods import APART, ComputeResources, ModelVolume, PodMetadata, Toleration, TopologySpreadConstraint, apart
from .reference import IMAGE_PATTERN
from .weights import PLAIN_URI, URI_PATTERN, Fetch

ONE_LINE = r"^[^\r\n]*$"
FILE_PATTERN = r"^[-A-Za-z0-9_][-A-Za-z0-9._]*(/[-A-Za-z0-9_][-A-Za-z0-9._]*)*$"
GRACE_SECONDS, LONGEST_GRACE = 5, 3600
"""For how long a replica that is to end goes on answering: where the model doesn't say, which is the least, and at most."""
_GRACE = "a time from 5s to 1h, such as 90s or 10m"
Argument = Annotated[str, Field(max_length=4096, pattern=ONE_LINE)]


class ModelSource(Spec):
    """Which model, from where, made by whom, under which licence."""

    name: str = Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9._/]*[A-Za-z0-9])?$", max_length=128)
    """The name of the model that clients send in requests to the OpenAI API. For a name in the catalogue (daulat sizing --list)
    Daulat computes the number of devices."""
    uri: str = Field(max_length=1024, pattern=URI_PATTERN, json_schema_extra={"x-kubernetes-validations": [PLAIN_URI]})
    """Where the weights are: oci://REGISTRY/REPOSITORY (mounted as an image volume), pvc://CLAIM/PATH, s3://BUCKET/PATH,
    hf://ORGANISATION/NAME:REVISION or ms://ORGANISATION/NAME:REVISION, each followed by @sha256:DIGEST to pin the content."""
    file: Annotated[str, Field(pattern=FILE_PATTERN)] | None = Field(default=None, max_length=512)
    """The file under uri that the engine loads, for an engine that loads one, such as llama.cpp."""
    fetch: Fetch | None = None
    """How the weights are fetched, where no volume can mount them: s3, hf and ms always, oci where this is set."""
    signature: Annotated[str, Field(pattern=FILE_PATTERN)] = Field(default="model.sig", max_length=512)
    """The path of the signature under uri (OpenSSF model signing). Policies with models.signatures require it."""
    developer: str = Field(min_length=1, max_length=128, pattern=ONE_LINE)
    """Who made the model, as one word, such as deepseek-ai."""
    origin_country: CountryCode
    """The country of the developer."""
    developer_parent_country: CountryCode | None = None
    """The country of the developer's ultimate parent, where that is another."""
    license: str = Field(
        min_length=1,
        max_length=256,
        pattern=r"^[-A-Za-z0-9.+() ]+$",
        # Not a validator: models that were taken before there was the rule can be read, and are judged by SUP-04.
        json_schema_extra={"x-kubernetes-validations": [LICENSE_FORM]},
    )
    """The model's licence as an SPDX expression, such as MIT or (Apache-2.0 OR MIT) AND BSD-3-Clause. Letter case doesn't count."""
    precision: Precision | None = None
    """The form of these weights, for sizing; left out, the first that the developer publishes and the accelerator can serve."""


class KeySecret(Spec):
    """A key of a Secret in the model's namespace."""

    name: ObjectName
    """The Secret."""
    key: str = Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)
    """The key in it."""


class CustomEngine(Spec):
    """An engine that isn't in the catalogue. It must serve HTTP, and discover its devices itself.

    Arguments and command may hold {weights}, {name}, {port}, {devices}, {stages}, {context}, {concurrency} and {cache}.
    For a replica of several nodes also {nodes}, {leader} (where they meet) and $(GROUP_RANK) (a node's number, the leader's is 0).
    """

    command: tuple[Argument, ...] = Field(default=(), max_length=16)
    """The command; left out, the image's own."""
    args: tuple[Argument, ...] = Field(default=(), max_length=64)
    """Its arguments."""
    group_args: tuple[Argument, ...] = Field(default=(), max_length=64)
    """Further arguments that divide a replica between nodes; left out, a replica has one node."""
    worker_args: tuple[Argument, ...] = Field(default=(), max_length=64)
    """Further arguments on the worker nodes of a replica, which are all nodes but the leader's."""
    port: int = Field(default=8000, ge=1024, le=65535)
    """The port that the engine listens on. It runs as non-root, so the port is 1024 or above."""
    health_path: UrlPath = "/health"
    """The path that returns status 200 when the engine can serve."""
    metrics_path: UrlPath = "/metrics"
    """The path of its metrics, on the same port."""
    metrics: CustomMetrics | None = None
    """The names of the engine's metrics, for autoscaling."""
    startup_seconds: int = Field(default=3600, ge=10, le=86400)
    """Seconds that the engine may take to start."""
    api_key_env: EnvName | None = None
    """The environment variable from which the engine reads the API key."""


class Engine(Spec):
    """The engine that serves the model."""

    name: EngineName = "vllm"
    """The inference engine."""
    context: int | None = Field(default=None, ge=1, le=16777216, json_schema_extra={"format": "int32"})
    """Tokens in the longest sequence; left out, the model's own context length."""
    concurrency: int | None = Field(default=None, ge=1, le=65536, json_schema_extra={"format": "int32"})
    """The largest number of concurrent sequences that the engine accepts and that devices are computed for; left out, devices
    are computed for one."""
    args: tuple[Argument, ...] = Field(default=(), max_length=64)
    """Arguments for the engine on every accelerator."""
    api_key_secret: KeySecret | None = None
    """The Secret with the API key that clients must send; left out, the engine requires no key."""
    grace_period: Duration = Field(
        default=f"{GRACE_SECONDS}s",
        max_length=7,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.matches('^[0-9]+[smh]$') && duration(self) >= duration('5s') && duration(self) <= duration('1h')",
                    "message": _GRACE,
                }
            ]
        },
    )
    """How long a terminating replica keeps processing the requests that it has accepted, before its engine is stopped; in s, m
    or h, from 5s to 1h; left out, 5s. The replica holds its devices for all of that time, busy or not. A change of this field
    starts a rollout."""
    custom: CustomEngine | None = None
    """How the engine named custom is run."""

    @property
    def grace_seconds(self) -> int:
        """The grace period in seconds."""
        return seconds_of(self.grace_period)

    @field_validator("grace_period")
    @classmethod
    def _grace_is_bearable(cls, asked: str) -> str:
        if not GRACE_SECONDS <= seconds_of(asked) <= LONGEST_GRACE:
            raise ValueError(_GRACE)
        return asked

    @model_validator(mode="after")
    def _custom_is_told(self) -> Engine:
        if (self.name == "custom") != (self.custom is not None):
            raise ValueError("custom must be set if name is custom, and only then")
        return self


class AcceleratorChoice(Spec):
    """One accelerator that the model may run on."""

    profile: ObjectName
    """The AcceleratorProfile."""
    count: int | None = Field(default=None, ge=1, le=1024)
    """Devices for each replica, over all its nodes; left out, as many as a model of the catalogue needs."""
    nodes: int | None = Field(default=None, ge=1, le=64, json_schema_extra={"format": "int32"})
    """Nodes for each replica, with as many devices on each; left out with a count, one, and without, as many as it needs."""
    claims: Literal["DevicePlugin", "DynamicResourceAllocation"] = "DevicePlugin"
    """How pods request the devices: by the extended resource of a device plugin, or by a ResourceClaim."""
    image: Annotated[str, Field(pattern=IMAGE_PATTERN)] | None = Field(default=None, max_length=512)
    """The engine's image on this accelerator; left out, the profile's."""
    args: tuple[Argument, ...] = Field(default=(), max_length=64)
    """Arguments for the engine on this accelerator, after those of the engine."""
    env: FrozenDict[EnvName, Annotated[str, Field(max_length=4096)]] = Field(default_factory=FrozenDict, max_length=64)
    """Environment for the engine on this accelerator. Switches that keep telemetry off and hubs offline stay as they are."""


class SovereignModelSpec(Spec):
    """A model to serve."""

    model: ModelSource
    """Which model."""
    engine: Engine = Field(
        default=Engine(),
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.name) && self.name == 'custom') == has(self.custom)",
                    "message": "custom must be set if name is custom, and only then",
                }
            ]
        },
    )
    """The engine that serves the model."""
    accelerators: tuple[AcceleratorChoice, ...] = Field(
        min_length=1,
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["profile"]},
    )
    """The accelerators that the model may run on, in order of preference. The first one with enough free devices is used."""
    image_pull_secrets: tuple[ObjectName, ...] = Field(default=(), max_length=8)
    """Names of Secrets in the model's namespace for pulling images and weights."""
    replicas: int = Field(default=1, ge=0, le=1000, json_schema_extra={"format": "int32", **DEFAULTED})
    """The number of replicas. Leave it out if an autoscaler sets it."""
    autoscaling: Autoscaling | None = None
    """An autoscaler that sets the number of replicas by the engine's own metrics; left out, spec.replicas sets it."""
    exposure: ModelExposure | None = None
    """How the model is reached from outside the cluster; left out, not at all."""
    queue_name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=63)] | None = None
    """The LocalQueue of Kueue that the pods wait in; left out, they don't."""
    priority_class_name: ObjectName | None = None
    """The PriorityClass of the pods; those that start with system- are the cluster's own and refused."""
    pod_metadata: PodMetadata | None = None
    """Labels and annotations for the pods and the Service, such as a cost centre; left out, they have only Daulat's own."""
    resources: ComputeResources | None = None
    """CPU and memory of the engine; left out, it has neither requests nor limits for them."""
    tolerations: tuple[Toleration, ...] = Field(default=(), max_length=16)
    """Taints that the pods tolerate, in addition to the accelerator's. Placement considers nodes with these taints."""
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = Field(
        default=(),
        max_length=4,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["topologyKey"]},
    )
    """How replicas are spread over nodes; left out, the scheduler decides."""
    volumes: tuple[ModelVolume, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "x-kubernetes-validations": [APART],
        },
    )
    """Volumes that are mounted under /mnt in addition to the weights, such as adapters or certificates."""

    @field_validator("volumes")
    @classmethod
    def _volumes_are_apart(cls, volumes: tuple[ModelVolume, ...]) -> tuple[ModelVolume, ...]:
        return apart(volumes)

    @property
    def needed_replicas(self) -> int:
        """The replicas that must find room. What an autoscaler asks for beyond its least waits, and moves nothing."""
        return self.replicas if self.autoscaling is None else min(self.replicas, max(self.autoscaling.min_replicas, 1))


class Rejected(Observed):
    """A group of nodes that weren't chosen for the same reason."""

    reason: str
    """Why, as a sentence."""
    count: int
    """How many nodes."""
    sample: tuple[str, ...] = ()
    """Some of them, by name."""


class GoverningPolicy(Observed):
    """A policy that governs the model's namespace."""

    name: str
    """The SovereigntyPolicy."""
    generation: int
    """Its metadata.generation when the model was placed."""


class SizingStatus(Observed):
    """How many devices a replica has, and how that number was computed."""

    devices: int
    """Devices of each replica."""
    nodes: int | None = None
    """Nodes of each replica, where there are several."""
    tensor_parallel: int
    """How many of them share each layer."""
    pipeline_parallel: int
    """How many stages of layers follow each other."""
    model: str | None = None
    """The model of the catalogue that the number was computed for."""
    precision: str | None = None
    """The form of the weights."""
    context: int | None = None
    """Tokens in a sequence, for which the number was computed."""
    concurrency: int | None = None
    """Concurrent sequences, for which the number was computed."""
    account: tuple[str, ...] | None = None
    """The computation, line by line; absent if the model isn't in the catalogue."""
    note: str | None = None
    """A note about spec.accelerators[].count, such as that the weights may not fit."""


class WeightsStatus(Observed):
    """How the weights get into the pods. A placed model keeps its method when the operator is upgraded."""

    method: str
    """Mounted: the volume itself. Fetched: an init container brings them."""
    image: str | None = None
    """The image of the init container that fetches or checks them, where there is one."""
    endpoint: str | None = None
    """The server that they are fetched from, where the URI doesn't name it."""
    trusted_by: tuple[str, ...] | None = None
    """The policies with whose keys the signature is verified before the engine starts."""


class DrainStatus(Observed):
    """Nodes that were cordoned while the model runs on them."""

    since: str = Field(json_schema_extra={"format": "date-time"})
    """When the first of these nodes was cordoned. The operator creates a replica on another node only for a limited time,
    because a cordon doesn't show whether the node will be drained."""
    nodes: tuple[str, ...] = ()
    """The nodes."""


class ModelDriftStatus(Observed):
    """A running model that a policy no longer accepts, because of its node or its spec."""

    since: str = Field(json_schema_extra={"format": "date-time"})
    """When it was first observed."""
    until: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """When the grace period is over and its pods are evicted; left out where the policies only report drift."""


class Revision(Observed):
    """One revision that the model's pods run or have run."""

    revision: int
    """The number, which grows."""
    template: str
    """The revision of the pod template, as on the pods: the same template, the same revision."""
    generation: int
    """The model's metadata.generation that first led to the revision."""
    started_at: str = Field(json_schema_extra={"format": "date-time"})
    """When the rollout began."""
    finished_at: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """When every replica was ready with the revision; absent if that never happened."""
    rollback_to: int | None = None
    """The number of the earlier revision with the same pod template."""
    summary: str
    """What runs, where."""


class Placement(Observed):
    """Where the model runs, and why other nodes were rejected."""

    zone: str | None = None
    """The chosen SovereignZone."""
    accelerator: str | None = None
    """The chosen AcceleratorProfile."""
    resource: str | None = None
    """The extended resource that the pods request, or the DeviceClass that their claims name."""
    nodes: tuple[str, ...] = ()
    """The nodes that the pods may run on and that had enough free devices when they were chosen; if pods run already, the nodes
    of these pods."""
    policies: tuple[GoverningPolicy, ...] = ()
    """The policies that govern the model."""
    rejected: tuple[Rejected, ...] = ()
    """Every other node, by the reason why it wasn't chosen."""


class SovereignModelStatus(ConditionedStatus):
    """The observed state of the model."""

    phase: str | None = None
    """A summary for display: Pending, Refused, Placing, Ready or Drifting. No decision depends on it."""
    url: str | None = None
    """The URL of the OpenAI API inside the cluster, once a replica is ready."""
    external_url: str | None = None
    """The URL for clients outside the cluster, once a Gateway has accepted the route."""
    ready: str | None = None
    """Ready replicas of the desired ones, such as 2/3."""
    replicas: int | None = Field(default=None, json_schema_extra={"format": "int32"})
    """Replicas that exist."""
    ready_replicas: int | None = Field(default=None, json_schema_extra={"format": "int32"})
    """Replicas that are ready."""
    updated_replicas: int | None = Field(default=None, json_schema_extra={"format": "int32"})
    """Replicas that run the current revision."""
    selector: str | None = None
    """The label selector of the replicas, for autoscalers."""
    sizing: SizingStatus | None = None
    """How many devices each replica has, and why."""
    weights: WeightsStatus | None = None
    """How the weights get into the pods."""
    placement: Placement | None = None
    """Where the model runs, and why other nodes were rejected."""
    drain: DrainStatus | None = None
    """Nodes of the model that are cordoned."""
    drift: ModelDriftStatus | None = None
    """The time for which a model that a policy no longer accepts keeps running. The condition PolicyCompliant has the cause."""
    history: tuple[Revision, ...] | None = None
    """The revisions that the model has run, the latest last. The last ten are kept."""
