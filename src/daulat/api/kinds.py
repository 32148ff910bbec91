"""The kinds, with what their CRDs say beside the schema: names, scope, columns, subresources, rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .accelerator import AcceleratorProfileSpec, AcceleratorProfileStatus
from .attestation import NodeAttestationSpec, NodeAttestationStatus
from .exemption import SovereigntyExemptionSpec, SovereigntyExemptionStatus
from .inventory import AcceleratorInventorySpec, AcceleratorInventoryStatus
from .meta import ConditionedStatus, Spec
from .model import SovereignModelSpec, SovereignModelStatus
from .names import MAX_POLICY_NAME
from .policy import SovereigntyPolicySpec, SovereigntyPolicyStatus
from .zone import SovereignZoneSpec, SovereignZoneStatus


@dataclass(frozen=True)
class Column:
    """A printer column; priority 1 shows it with ``-o wide`` only."""

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"
    priority: int = 0


@dataclass(frozen=True)
class Kind:
    """One kind of daulat.dev."""

    kind: str
    plural: str
    short: str
    scope: Literal["Namespaced", "Cluster"]
    spec: type[Spec]
    status: type[ConditionedStatus]
    columns: tuple[Column, ...]
    rules: tuple[tuple[str, str], ...] = ()
    scale: bool = False
    listed: bool = True
    """Whether ``kubectl get daulat`` lists it."""
    added_later: bool = False
    """Whether clusters of an earlier release lack it: Helm upgrades no definitions, so the operator does without it."""

    @property
    def doc(self) -> str:
        """The kind's first sentence for ``kubectl explain``."""
        return (self.spec.__doc__ or "").strip()


def _condition(type_: str, field: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{field}'


SOVEREIGN_MODEL = Kind(
    kind="SovereignModel",
    plural="sovereignmodels",
    short="smodel",
    scope="Namespaced",
    spec=SovereignModelSpec,
    status=SovereignModelStatus,
    columns=(
        Column("Model", ".spec.model.name"),
        Column("Phase", ".status.phase"),
        Column("Ready", ".status.ready"),
        Column("Zone", ".status.placement.zone"),
        Column("Accelerator", ".status.placement.accelerator"),
        Column("Reason", _condition("Ready", "reason")),
        Column("URL", ".status.url", priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    rules=(
        ("size(self.metadata.name) <= 50", "a SovereignModel's name has at most 50 characters"),
        (
            "!has(self.spec.model.fetch) || !self.spec.model.uri.startsWith('pvc://')",
            "spec.model.fetch: a pvc is mounted, not fetched",
        ),
        (
            "!has(self.spec.model.fetch) || !has(self.spec.model.fetch.endpoint) || !self.spec.model.uri.startsWith('oci://')",
            "spec.model.fetch.endpoint: an oci uri names its server itself",
        ),
        (
            "!has(self.spec.model.fetch) || !has(self.spec.model.fetch.cache)"
            " || (self.spec.?replicas.orValue(1) < 2 && self.spec.?autoscaling.?maxReplicas.orValue(1) < 2)"
            " || !has(self.spec.model.fetch.cache.accessMode) || self.spec.model.fetch.cache.accessMode == 'ReadWriteMany'",
            "spec.model.fetch.cache.accessMode: ReadWriteOnce is for one replica, since replicas are on different nodes",
        ),
        (
            "!has(self.spec.priorityClassName) || !self.spec.priorityClassName.startsWith('system-')",
            "spec.priorityClassName: classes that start with system- are the cluster's own",
        ),
    ),
    scale=True,
)
SOVEREIGNTY_POLICY = Kind(
    kind="SovereigntyPolicy",
    plural="sovereigntypolicies",
    short="spolicy",
    scope="Cluster",
    spec=SovereigntyPolicySpec,
    status=SovereigntyPolicyStatus,
    columns=(
        Column("Action", ".spec.action"),
        Column("Enforced", _condition("Enforced")),
        Column("Upheld", _condition("Upheld")),
        Column("Reason", _condition("Ready", "reason")),
        Column("Namespaces", ".status.namespaces", "integer"),
        Column("Nodes", ".status.eligibleNodes", "integer"),
        Column("Revision", ".status.revision", priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    rules=(
        (
            f"size(self.metadata.name) <= {MAX_POLICY_NAME} && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            f"a SovereigntyPolicy's name becomes a node label: at most {MAX_POLICY_NAME} characters, letters, digits and dashes",
        ),
        (
            "!(self.metadata.name in ['zone', 'site'])",
            "zone and site are node labels of their own: choose another name",
        ),
    ),
)
SOVEREIGN_ZONE = Kind(
    kind="SovereignZone",
    plural="sovereignzones",
    short="szone",
    scope="Cluster",
    spec=SovereignZoneSpec,
    status=SovereignZoneStatus,
    columns=(
        Column("Country", ".spec.country"),
        Column("Operator", ".spec.operator.legalName"),
        Column("Parent", ".spec.operator.ultimateParentCountry"),
        Column("Class", ".spec.maximumDataClass"),
        Column("Nodes", ".status.nodes", "integer"),
        Column("Devices", ".status.devices", "integer"),
        Column("Conflicts", ".status.conflictingNodes", "integer", priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    rules=(
        (
            "size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
            "a SovereignZone's name becomes a node label's value: at most 63 characters",
        ),
    ),
)
ACCELERATOR_PROFILE = Kind(
    kind="AcceleratorProfile",
    plural="acceleratorprofiles",
    short="accel",
    scope="Cluster",
    spec=AcceleratorProfileSpec,
    status=AcceleratorProfileStatus,
    columns=(
        Column("Vendor", ".spec.vendor.name"),
        Column("Country", ".spec.vendor.country"),
        Column("Model", ".spec.model"),
        Column("Resource", ".spec.resources[0].name"),
        Column("Nodes", ".status.nodes", "integer"),
        Column("Devices", ".status.devices", "integer"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    rules=(("size(self.metadata.name) <= 63", "an AcceleratorProfile's name has at most 63 characters"),),
    # The chart installs dozens, of which a cluster has devices of a few.
    listed=False,
)
SOVEREIGNTY_EXEMPTION = Kind(
    kind="SovereigntyExemption",
    plural="sovereigntyexemptions",
    short="sexempt",
    scope="Cluster",
    spec=SovereigntyExemptionSpec,
    status=SovereigntyExemptionStatus,
    columns=(
        Column("Policy", ".spec.policy"),
        Column("Controls", ".spec.controls"),
        Column("Active", _condition("Active")),
        Column("Why", _condition("Active", "reason")),
        Column("Expires", ".spec.expiresAt"),
        Column("Asked", ".spec.requestedBy", priority=1),
        Column("Approved", ".spec.approvals[*].user", priority=1),
        Column("Reason", ".spec.reason", priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)

NODE_ATTESTATION = Kind(
    kind="NodeAttestation",
    plural="nodeattestations",
    short="nattest",
    scope="Cluster",
    spec=NodeAttestationSpec,
    status=NodeAttestationStatus,
    columns=(
        Column("Node", ".status.node"),
        Column("Facility", ".status.facility"),
        Column("Country", ".status.country"),
        Column("Authority", ".status.authority"),
        Column("Accepted", _condition("Accepted")),
        Column("Reason", _condition("Ready", "reason")),
        Column("Until", ".status.notAfter"),
        Column("Serial", ".status.serialNumber", priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    # There is one for each node.
    listed=False,
    added_later=True,
)
ACCELERATOR_INVENTORY = Kind(
    kind="AcceleratorInventory",
    plural="acceleratorinventories",
    short="ainv",
    scope="Cluster",
    spec=AcceleratorInventorySpec,
    status=AcceleratorInventoryStatus,
    columns=(
        Column("Chips", ".status.declared", "integer"),
        Column("Seen", ".status.seen", "integer"),
        Column("Gone", ".status.gone", "integer"),
        Column("Outside", ".status.outside", "integer"),
        Column("Undeclared", ".status.undeclared", "integer"),
        Column("Accounted", _condition("Accounted")),
        Column("Reason", _condition("Accounted", "reason")),
        Column("Missing", ".status.missing", "integer", priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    added_later=True,
)

KINDS: tuple[Kind, ...] = (
    SOVEREIGN_MODEL,
    SOVEREIGNTY_POLICY,
    SOVEREIGN_ZONE,
    ACCELERATOR_PROFILE,
    SOVEREIGNTY_EXEMPTION,
    NODE_ATTESTATION,
    ACCELERATOR_INVENTORY,
)


def by_kind(kind: str) -> Kind:
    """Return the kind of that name; KeyError where Daulat has none."""
    return {k.kind: k for k in KINDS}[kind]


Manifest = dict[str, Any]
"""A Kubernetes object as the API server reads and writes it."""
