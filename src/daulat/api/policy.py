"""SovereigntyPolicy: what governed namespaces may do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from .frozen import FrozenDict
from .meta import (
    DEFAULTED,
    NON_EMPTY_SELECTOR,
    SELECTOR_VALUES,
    ConditionedStatus,
    DataClass,
    Duration,
    LabelSelector,
    Observed,
    Spec,
    seconds_of,
)
from .network import Egress, EgressScope, Hosts
from .requirements import (
    AcceleratorRequirements,
    AccessRequirements,
    EngineRequirements,
    Exposure,
    ImageRequirements,
    ModelRequirements,
    Monitoring,
    StorageRequirements,
    UserName,
    ZoneRequirements,
)

GRACE_SECONDS = 60
"""For which a pod stays on a node that isn't eligible any more, where the policy doesn't say."""
LIMIT_PERCENT = 20
"""Of a policy's running governed pods may be evicted within ten minutes, where the policy doesn't say."""
Percentage = Annotated[str, Field(pattern=r"^([1-9][0-9]?|100)%$", examples=["20%"])]
BATCH_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
BatchName = Annotated[str, Field(pattern=BATCH_PATTERN, max_length=20, examples=["2026-11-29T01:30:00Z"])]


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


class PresetReference(Spec):
    """A shipped set of rules that the policy starts from."""

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    """The preset, such as baseline or my-nccp."""
    data_class: DataClass | None = None
    """The class of data, for a preset that has rules for each."""


class EnforcementSource(StrEnum):
    """Which component applies the compiled policy."""

    OPERATOR = "Operator"
    GITOPS = "GitOps"


class Enforcement(Spec):
    """How the compiled policy reaches the API server."""

    source: EnforcementSource
    """With Operator, the operator applies the compiled policy. With GitOps, a GitOps engine applies the output of daulat
    compile, and the operator watches it for drift."""


class DriftAction(StrEnum):
    """What happens to a governed pod whose node is no longer eligible, and to a model that is no longer accepted."""

    EVICT = "Evict"
    REPORT = "Report"


class Drift(Spec):
    """What happens to running pods when facts change."""

    action: DriftAction = DriftAction.EVICT
    """After gracePeriod, Evict deletes governed pods whose node is no longer eligible and stops models that the policy no
    longer accepts. Report only reports them in the status."""
    grace_period: Duration = f"{GRACE_SECONDS}s"
    """How long such a pod or model may stay, in s, m or h; left out, 60s. The operator uses the time to start a model's
    replacement elsewhere first."""
    limit: Percentage = f"{LIMIT_PERCENT}%"
    """The share of the policy's running governed pods that may be evicted within ten minutes, in percent; left out, 20%. One
    pod may always be evicted. Further evictions are held until release names their batch."""
    release: BatchName | None = None
    """The batch of held evictions to release, from status.brake.batch: all pods whose eviction was due by that time are
    evicted. A name that isn't a held batch has no effect."""

    @property
    def limit_percent(self) -> int:
        """The limit as a number."""
        return int(self.limit.removesuffix("%"))

    @property
    def grace_seconds(self) -> int:
        """The grace period in seconds."""
        return seconds_of(self.grace_period)


class ExemptionRequirements(Spec):
    """Limits on exemptions of the policy."""

    max_duration: Annotated[Duration, Field(max_length=7)] | None = None
    """The longest duration of an exemption, from its creation, in s, m or h, such as 720h for 30 days; left out, an exemption
    lasts until its expiresAt. The limit also applies to exemptions that existed before it was set."""


class SovereigntyPolicySpec(Spec):
    """The rules for governed namespaces."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.zones) || has(self.preset)", "message": "zones is required unless a preset sets it"}
            ]
        }
    )

    namespace_selector: LabelSelector = Field(
        json_schema_extra={"x-kubernetes-validations": [NON_EMPTY_SELECTOR, SELECTOR_VALUES]}
    )
    """The namespaces that are governed. Use labels under daulat.dev/, which only principals with the verb govern change."""
    action: Action = Field(default=Action.ENFORCE, json_schema_extra=DEFAULTED)
    """What happens to a request that violates a control: Enforce refuses it, Warn returns a warning, Audit adds an audit
    annotation."""
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
    preset: PresetReference | None = None
    """A shipped set of rules to start from. Fields that are set in this spec override the preset's, field by field."""
    enforcement: Enforcement | None = None
    """How the compiled policy reaches the API server; left out, the operator applies it."""
    zones: ZoneRequirements = ZoneRequirements()
    """Which zones are accepted. Required unless a preset sets it."""
    accelerators: AcceleratorRequirements
    """Which accelerators are approved: of the AcceleratorProfiles that profiles, vendors, vendorCountries, families and
    excludeRegimes all allow, as far as they are set."""
    models: ModelRequirements | None = None
    """Which models may be served; left out, any."""
    images: ImageRequirements | None = None
    """Which container images may run; left out, any."""
    engines: EngineRequirements | None = None
    """How inference engines run, in any pod; left out, telemetry, hubs and remote code must not be switched on."""
    storage: StorageRequirements | None = None
    """The StorageClasses and volume types that are allowed; left out, any StorageClass."""
    egress: Egress | None = None
    """The destinations that pods may connect to in addition to DNS: pods of models, or with scope Namespace all pods. Left out,
    pods of models can reach only DNS."""
    hosts: Hosts | None = None
    """Host names with addresses that pods may add to their hosts file; left out, none."""
    exposure: Exposure | None = None
    """How Services may be reached from outside the cluster; left out, not at all."""
    monitoring: Monitoring | None = None
    """Access to engines' metrics; left out, only pods of the model's own namespace can read them."""
    access: AccessRequirements | None = None
    """Who may open sessions in running pods; left out, every user with the RBAC permission."""
    exemptions: ExemptionRequirements | None = None
    """Limits on exemptions of the policy; left out, an exemption lasts until its expiresAt."""
    drift: Drift | None = None
    """What happens to pods whose node is no longer eligible; left out, they are evicted after 60s."""
    schedulers: tuple[UserName, ...] = Field(
        default=("system:kube-scheduler",), min_length=1, max_length=16, json_schema_extra=DEFAULTED
    )
    """User names that may bind pods to nodes."""

    @model_validator(mode="after")
    def _says_zones(self) -> Self:
        if not {"zones", "preset"} & self.model_fields_set:
            raise ValueError("zones is required unless a preset sets it")
        return self


GOVERNED = 50
"""Names of governed namespaces that a policy's status holds."""


class ControlsByAction(Observed):
    """The controls in force, each as its id with what it judges, such as USE-07 (models, pods, settings)."""

    enforce: str | None = None
    """Those that refuse a request."""
    warn: str | None = None
    """Those that warn of it."""
    audit: str | None = None
    """Those that write it to the audit log."""


class ControlInForce(Observed):
    """One control that the policy has compiled."""

    id: str
    """The control's id."""
    guard: str
    """What it judges, such as pods, volumeclaims or sessions."""
    action: str
    """What happens to a request that violates it."""


class DriftedNode(Observed):
    """A node that is no longer eligible, with governed pods on it."""

    node: str
    """The node."""
    since: str | None = None
    """When it was first observed."""
    reason: str | None = None
    """Why it isn't eligible."""
    pods: int | None = None
    """How many governed pods are on it."""
    sample: tuple[str, ...] = ()
    """The first of them, as namespace/name."""


class UndecidedNode(Observed):
    """Nodes with governed pods whose eligibility can't be decided."""

    reason: str
    """The fact that is missing."""
    nodes: int | None = None
    """How many nodes."""
    pods: int | None = None
    """How many governed pods are on them. These pods aren't evicted."""
    sample: tuple[str, ...] = ()
    """The first of the nodes."""


class BrakeStatus(Observed):
    """Pods that were evicted under the policy within the last ten minutes, and pods whose eviction is held."""

    limit: int | None = None
    """Running pods that may be evicted within ten minutes."""
    evicted: int | None = None
    """Running pods that were evicted within the last ten minutes."""
    last_eviction_time: str | None = Field(default=None, json_schema_extra={"format": "date-time"})
    """When the last of them was evicted."""
    held: int | None = None
    """Pods that are due and held."""
    batch: str | None = None
    """The name of the held batch, for spec.drift.release."""
    released: str | None = None
    """The batch that spec.drift.release has released."""


class ApprovedAccelerators(Observed):
    """The accelerators that the policy approves. When the lists change, an Event names what was added and removed."""

    count: int | None = None
    """How many AcceleratorProfiles are approved."""
    profiles: tuple[str, ...] = ()
    """The approved profiles that exist and can be read, in order; the first 128 of them."""
    resources: tuple[str, ...] = ()
    """The extended resources of the approved profiles, and patterns of them, in order; the first 256."""
    device_classes: tuple[str, ...] = ()
    """The DeviceClasses of the approved profiles, in order; the first 128."""
    digest: str | None = None
    """Changes whenever one of the complete lists changes."""
    selectors: str | None = None
    """A digest of the spec.accelerators that this was decided on."""
    missing: tuple[str, ...] = ()
    """Profiles that the selectors approved and that can't be read or no longer exist, while nodes or models depend on them.
    These nodes and models keep their pods until spec.accelerators changes."""


class SovereigntyPolicyStatus(ConditionedStatus):
    """The scope of the policy, and whether it is enforced."""

    revision: str | None = None
    """The revision of the compiled policy that is applied."""
    pin: str | None = None
    """The component that adds the policy's nodeSelector to pods that lack it, as the last dry run showed:
    MutatingAdmissionPolicy, OpenShift, PodNodeSelector, Other for a component that isn't Daulat's, or Refuse if such pods are
    refused."""
    namespaces: int | None = None
    """How many namespaces are governed."""
    governed_namespaces: tuple[str, ...] = ()
    """The governed namespaces by name, in order; the first 50 of them."""
    eligible_nodes: int | None = None
    """Nodes that governed pods may run on."""
    controls_by_action: ControlsByAction | None = None
    """The controls in force, by their action. daulat explain policy lists them one by one."""
    controls: tuple[ControlInForce, ...] | None = None
    """Deprecated and no longer written: controlsByAction has the controls. A status that an earlier release wrote may still
    have it."""
    accelerators: ApprovedAccelerators | None = None
    """What spec.accelerators approves now, of the AcceleratorProfiles in the cluster."""
    drift: tuple[DriftedNode, ...] | None = None
    """The nodes that are no longer eligible and still have governed pods."""
    undecided: tuple[UndecidedNode, ...] | None = None
    """Nodes with governed pods whose eligibility can't be decided, by the missing fact."""
    brake: BrakeStatus | None = None
    """Pods that were evicted within the last ten minutes, and pods whose eviction is held."""
    egress_scope: EgressScope | None = None
    """The scope of egress in force. If a release changes its preset to Namespace, policies already in force keep Models until
    their own spec.egress.scope is set."""
