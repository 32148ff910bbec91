"""SovereignZone: these nodes stand in this facility, in this country, run by this operator."""

from __future__ import annotations

from pydantic import Field

from .meta import (
    NON_EMPTY_SELECTOR,
    REQUIRED_LABEL,
    SELECTOR_VALUES,
    ConditionedStatus,
    CountryCode,
    DataClass,
    LabelSelector,
    LabelValue,
    Observed,
    Spec,
)


class Facility(Spec):
    """The building where the nodes are."""

    name: str = Field(min_length=1, max_length=128)
    """The facility's name of record."""
    un_locode: str | None = Field(default=None, pattern=r"^[A-Z]{2}[A-Z2-9]{3}$")
    """The place's UN/LOCODE, such as MYCBJ."""


class Operator(Spec):
    """The company that operates the facility."""

    legal_name: str = Field(min_length=1, max_length=256)
    """The operator's legal name of record."""
    country: CountryCode
    """The country where the operator is incorporated."""
    ultimate_parent_country: CountryCode
    """The country of the operator's ultimate parent company; the operator's own where it has none."""


class SovereignZoneSpec(Spec):
    """The facts of record about a facility, and the nodes in it."""

    country: CountryCode
    """The country where the facility stands."""
    facility: Facility
    """The building where the nodes are."""
    operator: Operator
    """The company that operates the facility."""
    maximum_data_class: DataClass
    """The most sensitive class of data that may be handled here: public < internal < restricted < confidential."""
    node_selector: LabelSelector = Field(
        # Not a validator: a zone that is older than the rule keeps its nodes, and says WeakEvidence.
        json_schema_extra={"x-kubernetes-validations": [NON_EMPTY_SELECTOR, SELECTOR_VALUES, REQUIRED_LABEL]}
    )
    """The nodes in this facility, by at least one label that they must have. Use labels under
    daulat.node-restriction.kubernetes.io/, which no kubelet can write."""
    regions: tuple[LabelValue, ...] = Field(default=(), max_length=32)
    """If set, a node whose topology.kubernetes.io/region is none of these contradicts the record and is never eligible."""
    storage_classes: tuple[str, ...] = Field(default=(), max_length=64)
    """StorageClasses whose volumes are stored in this facility."""
    registries: tuple[str, ...] = Field(default=(), max_length=64)
    """Registries in this facility, as prefixes that end with a slash."""
    gateway_classes: tuple[str, ...] = Field(default=(), max_length=64)
    """GatewayClasses whose Gateways are in this facility. A model in this zone gets routes only from Gateways of these
    classes."""


class AcceleratorCount(Observed):
    """How many devices of one kind the zone has."""

    profile: str
    """The AcceleratorProfile, or empty where no profile matches the resource on the node."""
    resource: str
    """The extended resource by which pods request the devices, or the DeviceClass if a driver allocates them by claims."""
    nodes: int
    """Nodes with at least one such device."""
    devices: int
    """Allocatable devices."""


class SovereignZoneStatus(ConditionedStatus):
    """What the operator found in the zone."""

    nodes: int | None = None
    """Nodes that only this zone selects."""
    conflicting_nodes: int | None = None
    """Nodes that this zone selects but that are Unknown: selected by another zone too, or in another region."""
    accelerators: tuple[AcceleratorCount, ...] = ()
    """The accelerators on the zone's nodes."""
    devices: int | None = None
    """All allocatable accelerators of the zone."""
