"""What a model says of its pods beside the engine: labels and annotations, tolerations, CPU and memory, spreading, volumes.

Whatever a pod can't be judged by later, because Kubernetes or another project acts on it, can't be said here at all.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema, field_validator, model_validator

from .frozen import FrozenDict
from .meta import LabelKey, LabelValue, ObjectName, Spec
from .quantity import Amount, parse
from .weights import Size

KEY = (
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
RESERVED = r"(^|[.])(kubernetes[.]io|k8s[.]io|x-k8s[.]io|daulat[.]dev)/"
OWN_KEYS = (
    "keys need a prefix of your own, such as example.com/team: network policies and tools select pods by keys without one, and"
    " those of kubernetes.io, k8s.io and daulat.dev are reserved"
)
_OWN_KEYS: JsonValue = {
    "rule": f"self.all(k, size(k) <= 317 && k.matches('{KEY}') && !k.matches('{RESERVED}'))",
    "message": OWN_KEYS,
}
_RESERVED_TAINTS = ("daulat.", "node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
_TAINT = "Daulat's own taints and those by which Kubernetes keeps pods off a node that is unfit can't be tolerated"
_MOUNTS = "/mnt"
_UNDER = "volumes are mounted under /mnt, such as /mnt/adapters, where no image has anything: lower case letters, digits, - and ."
_MOUNT_PATH = r"/mnt(/[a-z0-9][-a-z0-9.]*){1,4}"
_ONE_SOURCE = "a volume has one source: configMap, secret, projected, emptyDir or persistentVolumeClaim"
_SOURCES = ("configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim")


class PodMetadata(Spec):
    """Labels and annotations for the model's pods and its Service. Those of the model itself go no further than the model."""

    labels: FrozenDict[str, LabelValue] = Field(
        default_factory=FrozenDict, max_length=32, json_schema_extra={"x-kubernetes-validations": [_OWN_KEYS]}
    )
    """Labels. Each key has a prefix of your own, such as example.com/team."""
    annotations: FrozenDict[str, Annotated[str, Field(max_length=4096)]] = Field(
        default_factory=FrozenDict, max_length=32, json_schema_extra={"x-kubernetes-validations": [_OWN_KEYS]}
    )
    """Annotations. Each key has a prefix of your own. On the Service they are the same."""

    @field_validator("labels", "annotations")
    @classmethod
    def _keys_are_own(cls, said: FrozenDict[str, str]) -> FrozenDict[str, str]:
        if any(len(k) > 317 or not re.fullmatch(KEY, k) or re.search(RESERVED, k) for k in said):
            raise ValueError(OWN_KEYS)
        return said


class Toleration(Spec):
    """One taint that the model's pods tolerate. The taint of the accelerator's resource is always tolerated."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": " && ".join(f"!self.key.startsWith('{prefix}')" for prefix in _RESERVED_TAINTS),
                    "message": _TAINT,
                },
                {
                    "rule": "!has(self.value) || self.?operator.orValue('Equal') == 'Equal'",
                    "message": "value requires operator Equal",
                },
                {
                    "rule": "!has(self.tolerationSeconds) || self.?effect.orValue('') == 'NoExecute'",
                    "message": "tolerationSeconds requires effect NoExecute",
                },
            ]
        }
    )

    key: LabelKey
    """The taint's key."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Equal tolerates the taint with this value, Exists with any."""
    value: LabelValue | None = None
    """The taint's value, for Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; left out, any."""
    toleration_seconds: int | None = Field(default=None, ge=0, json_schema_extra={"format": "int64"})
    """For how long pods stay on a node that gets a NoExecute taint while they run; left out, for ever."""

    @model_validator(mode="after")
    def _fits(self) -> Toleration:
        if self.key.startswith(_RESERVED_TAINTS):
            raise ValueError(_TAINT)
        if self.value is not None and self.operator != "Equal":
            raise ValueError("value requires operator Equal")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("tolerationSeconds requires effect NoExecute")
        return self

    def tolerates(self, key: str, value: str, effect: str) -> bool:
        """Say whether such a taint doesn't keep the pods away."""
        same = self.key == key and self.effect in (None, effect)
        return same and (self.operator == "Exists" or (self.value or "") == value)


def _as_text(said: Any) -> Any:
    return str(said) if isinstance(said, int) and not isinstance(said, bool) else said


Quantity = Annotated[
    str, BeforeValidator(_as_text), Field(max_length=32), WithJsonSchema({"x-kubernetes-int-or-string": True})
]
"""An amount as Kubernetes writes it. YAML may hold a number, as in a pod."""
_AMOUNT = "cpu and memory are amounts above zero, such as 8, 500m or 64Gi"


class ComputeAmounts(Spec):
    """CPU and memory."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": " && ".join(
                        f"(!has(self.{name}) || (isQuantity(string(self.{name}))"
                        f" && quantity(string(self.{name})).isGreaterThan(quantity('0'))))"
                        for name in ("cpu", "memory")
                    ),
                    "message": _AMOUNT,
                }
            ]
        }
    )

    cpu: Quantity | None = None
    """Processor time, in cores, such as 8 or 500m."""
    memory: Quantity | None = None
    """Memory, such as 64Gi."""

    @field_validator("cpu", "memory")
    @classmethod
    def _is_an_amount(cls, said: str | None) -> str | None:
        try:
            if said is not None and parse(said).value <= 0:
                raise ValueError(_AMOUNT)
        except ValueError:
            raise ValueError(_AMOUNT) from None
        return said


class ComputeResources(Spec):
    """CPU and memory of the engine's container, in every pod of a replica. Devices are requested by spec.accelerators only."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"!has(self.requests) || !has(self.limits) || !has(self.requests.{name}) || !has(self.limits.{name})"
                    f" || !isQuantity(string(self.requests.{name})) || !isQuantity(string(self.limits.{name}))"
                    f" || quantity(string(self.requests.{name})).compareTo(quantity(string(self.limits.{name}))) <= 0",
                    "message": f"the request for {name} is at most its limit",
                }
                for name in ("cpu", "memory")
            ]
        }
    )

    requests: ComputeAmounts | None = None
    """The amounts that a node must have free for the pod."""
    limits: ComputeAmounts | None = None
    """The upper bounds for the engine. Its shared memory, up to 16Gi, counts as memory."""

    @model_validator(mode="after")
    def _requests_fit(self) -> ComputeResources:
        for name in ("cpu", "memory"):
            least, most = getattr(self.requests, name, None), getattr(self.limits, name, None)
            if least is not None and most is not None and _decimal(parse(least)) > _decimal(parse(most)):
                raise ValueError(f"the request for {name} is at most its limit")
        return self


def _decimal(amount: Amount) -> Decimal:
    return Decimal(amount.value).scaleb(amount.scale)


class TopologySpreadConstraint(Spec):
    """How replicas are spread over nodes. Only the model's own pods count; of a replica with several nodes, only its leader."""

    topology_key: LabelKey
    """The node label whose values are the topology domains, such as kubernetes.io/hostname."""
    max_skew: int = Field(default=1, ge=1, le=1000, json_schema_extra={"format": "int32"})
    """The largest difference in the number of replicas between two topology domains."""
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = "ScheduleAnyway"
    """Whether a replica that violates the constraint stays pending (DoNotSchedule) or is scheduled anyway (ScheduleAnyway)."""


class KeyPath(Spec):
    """One key of a ConfigMap or Secret, as a file."""

    key: str = Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)
    """The key."""
    path: str = Field(pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_.]*$", max_length=253)
    """The name of the file."""


class ConfigMapSource(Spec):
    """A ConfigMap of the model's namespace."""

    name: ObjectName
    """The ConfigMap."""
    items: tuple[KeyPath, ...] = Field(default=(), max_length=64)
    """The keys that become files; left out, all."""


class SecretSource(Spec):
    """A Secret of the model's namespace."""

    secret_name: ObjectName
    """The Secret."""
    items: tuple[KeyPath, ...] = Field(default=(), max_length=64)
    """The keys that become files; left out, all."""


class ProjectedSecret(Spec):
    """A Secret of the model's namespace, in a projected volume."""

    name: ObjectName
    """The Secret."""
    items: tuple[KeyPath, ...] = Field(default=(), max_length=64)
    """The keys that become files; left out, all."""


class Projection(Spec):
    """One part of a projected volume: a ConfigMap or a Secret. Tokens of service accounts can't be projected."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.configMap) != has(self.secret)", "message": "a source is a configMap or a secret"}
            ]
        }
    )

    config_map: ConfigMapSource | None = None
    """A ConfigMap."""
    secret: ProjectedSecret | None = None
    """A Secret."""

    @model_validator(mode="after")
    def _is_one(self) -> Projection:
        if (self.config_map is None) == (self.secret is None):
            raise ValueError("a source is a configMap or a secret")
        return self


class ProjectedSource(Spec):
    """Several ConfigMaps and Secrets in one folder."""

    sources: tuple[Projection, ...] = Field(min_length=1, max_length=8)
    """The ConfigMaps and Secrets that it contains."""


class EmptyDirSource(Spec):
    """A folder that is empty at first and ends with the pod."""

    size_limit: Size | None = None
    """The size limit; left out, the capacity of the node's disk."""


class ClaimSource(Spec):
    """A PersistentVolumeClaim of the model's namespace. Only what is there can be read."""

    claim_name: ObjectName
    """The claim. Where a policy has models.sources, one of them must cover pvc://CLAIM/."""


class ModelVolume(Spec):
    """A volume that is mounted in addition to the weights. All but an emptyDir are read-only."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"[{', '.join(f'has(self.{s})' for s in _SOURCES)}].filter(h, h).size() == 1",
                    "message": _ONE_SOURCE,
                }
            ]
        }
    )

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=50)
    """A name for the volume."""
    mount_path: str = Field(
        max_length=128,
        json_schema_extra={
            "x-kubernetes-validations": [{"rule": f"self.matches('^{_MOUNT_PATH}$')", "message": _UNDER}]
        },
    )
    """The mount path, under /mnt. A volume must not be mounted inside another."""
    config_map: ConfigMapSource | None = None
    """A ConfigMap."""
    secret: SecretSource | None = None
    """A Secret."""
    projected: ProjectedSource | None = None
    """Several ConfigMaps and Secrets."""
    empty_dir: EmptyDirSource | None = None
    """A folder to write to."""
    persistent_volume_claim: ClaimSource | None = None
    """A PersistentVolumeClaim."""

    @field_validator("mount_path")
    @classmethod
    def _is_apart(cls, said: str) -> str:
        if not re.fullmatch(_MOUNT_PATH, said):
            raise ValueError(_UNDER)
        return said

    @model_validator(mode="after")
    def _has_one_source(self) -> ModelVolume:
        sources = (self.config_map, self.secret, self.projected, self.empty_dir, self.persistent_volume_claim)
        if sum(s is not None for s in sources) != 1:
            raise ValueError(_ONE_SOURCE)
        return self


INSIDE = "no volume is mounted inside another, or at the same path"
APART: JsonValue = {
    "rule": "self.all(a, self.exists_one(b, (a.mountPath + '/').startsWith(b.mountPath + '/')))",
    "message": INSIDE,
}


def apart(volumes: tuple[ModelVolume, ...]) -> tuple[ModelVolume, ...]:
    """Return the volumes. Raises ValueError where a name is there twice, or one is mounted inside another."""
    paths = [f"{v.mount_path}/" for v in volumes]
    if any(sum(a.startswith(b) for b in paths) != 1 for a in paths):
        raise ValueError(INSIDE)
    if len({v.name for v in volumes}) != len(volumes):
        raise ValueError("two volumes have the same name")
    return volumes
