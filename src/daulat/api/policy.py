"""SovereigntyPolicy: what governed namespaces may do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .accelerator import ResourceName
from .frozen import FrozenDict
from .meta import (
    DEFAULTED,
    NON_EMPTY_SELECTOR,
    SELECTOR_VALUES,
    ConditionedStatus,
    CountryCode,
    DataClass,
    LabelSelector,
    ObjectName,
    Observed,
    Spec,
)


class Action(StrEnum):
    """What happens to a request that breaks a control."""

    ENFORCE = "Enforce"
    WARN = "Warn"
    AUDIT = "Audit"


class ControlAction(StrEnum):
    """What happens to a request that breaks one control."""

    ENFORCE = "Enforce"
    WARN = "Warn"
    AUDIT = "Audit"
    OFF = "Off"


ControlId = Annotated[str, Field(pattern=r"^[A-Z]{3}-[0-9]{2}$")]
Prefix = Annotated[
    str,
    Field(
        pattern=r"^[a-zA-Z0-9][-a-zA-Z0-9._:/]*/$",
        max_length=512,
        description="A prefix that ends with a slash, so that it can't be continued by another name.",
        examples=["registry.example.my/"],
    ),
]
SourcePrefix = Annotated[
    str,
    Field(
        pattern=r"^(oci|pvc)://([a-zA-Z0-9][-a-zA-Z0-9._:/]*/)?$",
        max_length=512,
        description="A prefix of model URIs that ends with a slash.",
        examples=["oci://registry.example.my/"],
    ),
]


class ZoneRequirements(Spec):
    """Which zones are good enough. Every field that is set must hold; one that isn't set doesn't restrict."""

    names: tuple[ObjectName, ...] | None = Field(default=None, min_length=1, max_length=64)
    """Only these zones."""
    countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """The facility stands in one of these countries."""
    operator_countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """The facility's operator is incorporated in one of these countries."""
    parent_countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """The operator's ultimate parent is in one of these countries."""
    minimum_data_class: DataClass | None = None
    """The zone may handle at least this class of data."""


class AcceleratorRequirements(Spec):
    """Which accelerators are approved. Every other extended resource is refused."""

    profiles: tuple[ObjectName, ...] = Field(max_length=64)
    """The approved AcceleratorProfiles; an empty list approves none."""
    other_resources: tuple[ResourceName, ...] = Field(default=(), max_length=64)
    """Extended resources that aren't accelerators and are fine, such as rdma/hca."""
    component_users: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(default=(), max_length=16)
    """User names of the vendors' components that may set device annotations on pods, such as a device plugin's."""
    runtime_class_names: tuple[ObjectName, ...] = Field(default=(), max_length=16)
    """RuntimeClasses that are fine beside those of the approved profiles, such as gvisor."""


class ModelRequirements(Spec):
    """Which models may be served. A field that isn't set doesn't restrict."""

    sources: tuple[SourcePrefix, ...] | None = Field(default=None, min_length=1, max_length=64)
    """Where weights may come from, as prefixes of spec.model.uri."""
    require_digest: bool = False
    """Weights must be pinned by digest."""
    licenses: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9.+]*$", max_length=128)], ...] | None = Field(
        default=None, min_length=1, max_length=128
    )
    """SPDX licence ids that are fine."""
    developers: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] | None = Field(
        default=None, min_length=1, max_length=128
    )
    """Developers whose models are fine."""
    origin_countries: tuple[CountryCode, ...] | None = Field(default=None, min_length=1, max_length=64)
    """Countries of origin whose models are fine."""


class ImageRequirements(Spec):
    """Which container images may run."""

    registries: tuple[Prefix, ...] = Field(min_length=1, max_length=64)
    """Where images may come from."""
    require_digest: bool = False
    """Images must be pinned by digest."""


class EgressPort(Spec):
    """A port, as in a NetworkPolicy."""

    port: int = Field(ge=1, le=65535)
    """The port number."""
    protocol: str = Field(default="TCP", pattern="^(TCP|UDP|SCTP)$")
    """The protocol."""


class IPBlock(Spec):
    """A range of addresses, as in a NetworkPolicy."""

    cidr: str = Field(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$", max_length=43)
    """The range in CIDR notation."""


class EgressPeer(Spec):
    """Whom the pods of a SovereignModel may talk to beside DNS."""

    namespace_selector: LabelSelector | None = None
    """Pods in these namespaces."""
    pod_selector: LabelSelector | None = None
    """Pods with these labels, in the selected namespaces or in the model's own."""
    ip_block: IPBlock | None = None
    """Addresses, alone without the selectors."""
    ports: tuple[EgressPort, ...] = Field(default=(), max_length=32)
    """Only these ports; every port where none is given."""


class Egress(Spec):
    """Whom the pods of a SovereignModel may talk to. Everything else is denied by a NetworkPolicy."""

    allow: tuple[EgressPeer, ...] = Field(
        max_length=32,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.all(p, has(p.ipBlock) != (has(p.namespaceSelector) || has(p.podSelector)))",
                    "message": "each entry needs either ipBlock or selectors",
                }
            ]
        },
    )
    """The allowed peers."""


class SovereigntyPolicySpec(Spec):
    """What governed namespaces may do."""

    namespace_selector: LabelSelector = Field(
        json_schema_extra={"x-kubernetes-validations": [NON_EMPTY_SELECTOR, SELECTOR_VALUES]}
    )
    """The namespaces that are governed. Use labels under daulat.dev/, which only principals with the verb govern change."""
    action: Action = Field(default=Action.ENFORCE, json_schema_extra=DEFAULTED)
    """What happens to a request that breaks a control: Enforce refuses it, Warn warns, Audit writes it to the audit log."""
    controls: FrozenDict[ControlId, ControlAction] = Field(
        default_factory=FrozenDict,
        max_length=64,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.all(id, id.matches('^[A-Z]{3}-[0-9]{2}$'))",
                    "message": "keys are control ids, such as SUP-01",
                }
            ]
        },
    )
    """The action of single controls by id, such as {SUP-01: Warn}; Off turns one off."""
    zones: ZoneRequirements
    """Which zones are good enough."""
    accelerators: AcceleratorRequirements
    """Which accelerators are approved."""
    models: ModelRequirements | None = None
    """Which models may be served; left out, any."""
    images: ImageRequirements | None = None
    """Which container images may run; left out, any."""
    egress: Egress | None = None
    """Whom the pods of a SovereignModel may talk to beside DNS; left out, nobody."""
    schedulers: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(
        default=("system:kube-scheduler",), min_length=1, max_length=16, json_schema_extra=DEFAULTED
    )
    """User names that may bind pods to nodes."""


class ControlInForce(Observed):
    """One control that the policy has compiled."""

    id: str
    """The control's id."""
    guard: str
    """What it judges: pods, bindings or models."""
    action: str
    """What happens to a request that breaks it."""


class SovereigntyPolicyStatus(ConditionedStatus):
    """What the policy governs, and proof that it does."""

    revision: str | None = None
    """The revision of the compiled policy that is applied."""
    namespaces: int | None = None
    """Governed namespaces."""
    eligible_nodes: int | None = None
    """Nodes that governed pods may run on."""
    controls: tuple[ControlInForce, ...] = ()
    """The controls in force."""
