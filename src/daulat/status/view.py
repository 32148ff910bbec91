"""The summary as values, without any form: ``cli`` writes it as a table, JSON or YAML."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where an object stands, by its condition Ready. The order is that of urgency."""

    FAILED = "Failed"
    """Ready is False, for a reason that doesn't pass by itself; or the object can't be read."""
    UNKNOWN = "Unknown"
    """Ready is Unknown, or the operator hasn't reported it."""
    PROGRESSING = "Progressing"
    """Ready isn't True yet, for a reason that passes by itself, such as a rollout."""
    READY = "Ready"

    @property
    def rank(self) -> int:
        """Position in the order of urgency: the most urgent first."""
        return list(State).index(self)


class Severity(StrEnum):
    """How urgent a finding is."""

    FAILURE = "failure"
    WARNING = "warning"


@dataclass(frozen=True)
class Operator:
    """Whether a replica of the operator leads."""

    leading: bool | None
    """None where the Lease couldn't be read."""
    lease: str
    """Namespace and name of the Lease."""
    holder: str
    seconds_since_renewal: float | None


@dataclass(frozen=True)
class Definitions:
    """The CustomResourceDefinitions of Daulat's kinds, compared with those of this release of ``daulat``."""

    current: bool | None
    """None where they couldn't be read."""
    missing: tuple[str, ...] = ()
    """Kinds that have none."""
    outdated: tuple[str, ...] = ()
    """Kinds whose definition lacks fields of this release."""
    newer: tuple[str, ...] = ()
    """Kinds whose definition has fields that this release doesn't know."""


@dataclass(frozen=True)
class PolicyRow:
    """One SovereigntyPolicy."""

    name: str
    state: State
    action: str
    enforced: str
    """True, False or Unknown, as the conditions; so are the next two."""
    compiled: str
    upheld: str
    pin: str
    """What adds the policy's nodeSelector to pods, as the last dry run showed; empty where that isn't known."""
    namespaces: int | None
    governed_namespaces: tuple[str, ...]
    """The first 50 by name."""
    eligible_nodes: int | None
    reason: str
    message: str
    seconds_in_state: float | None
    """Since the status of Ready changed last."""
    warnings: tuple[tuple[str, str], ...] = ()
    """Reason and message of conditions that Ready doesn't depend on."""


@dataclass(frozen=True)
class AcceleratorRow:
    """The devices of one AcceleratorProfile in a zone."""

    profile: str
    """Empty where no profile describes the resource."""
    resource: str
    """The extended resource or DeviceClass."""
    devices: int
    free: int | None
    """Devices that no pod holds, on nodes that are ready and schedulable; None where that isn't known."""


@dataclass(frozen=True)
class ZoneRow:
    """One SovereignZone."""

    name: str
    state: State
    country: str
    operator: str
    nodes: int | None
    """Nodes that are certified as nodes of this zone."""
    conflicting_nodes: int | None
    devices: int | None
    free_devices: int | None
    accelerators: tuple[AcceleratorRow, ...]
    reason: str
    message: str
    seconds_in_state: float | None
    warnings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ModelRow:
    """One SovereignModel."""

    namespace: str
    name: str
    state: State
    ready_replicas: int
    replicas: int | None
    """Replicas that the spec wants; None where the spec can't be read."""
    zone: str
    accelerator: str
    reason: str
    message: str
    seconds_in_state: float | None
    warnings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ExemptionRow:
    """One SovereigntyExemption that hasn't ended."""

    name: str
    policy: str
    controls: tuple[str, ...]
    namespaces: tuple[str, ...]
    active: bool
    """Whether it is in force."""
    expires_at: str
    """In UTC, as the policy's exemptions.maxDuration allows."""
    seconds_left: float
    expiring_soon: bool
    reason: str
    message: str


@dataclass(frozen=True)
class Attention:
    """Something that needs attention, with the command that shows more of it."""

    severity: Severity
    kind: str
    namespace: str
    name: str
    reason: str
    message: str
    command: str

    @property
    def title(self) -> str:
        """The kind, and the name behind its namespace."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Unread:
    """A kind that couldn't be read, and what isn't known without it."""

    kind: str
    why: str
    unknown: str


@dataclass(frozen=True)
class View:
    """The whole summary. Each list has the most urgent first."""

    at: float
    """When the facts were read, in seconds since the epoch."""
    kubernetes_version: str
    pin: str
    """What adds a policy's nodeSelector to pods in this cluster."""
    namespace: str
    """The namespace whose models are shown; empty for all."""
    operator: Operator
    definitions: Definitions
    attention: tuple[Attention, ...]
    policies: tuple[PolicyRow, ...]
    zones: tuple[ZoneRow, ...]
    models: tuple[ModelRow, ...]
    exemptions: tuple[ExemptionRow, ...]
    unread: tuple[Unread, ...]

    @property
    def exit_code(self) -> int:
        """1 where something needs attention, else 2 where something couldn't be read, else 0."""
        return 1 if self.attention else 2 if self.unread else 0


def ready(rows: Iterable[PolicyRow | ZoneRow | ModelRow]) -> int:
    """Return how many of the rows are ready."""
    return sum(row.state is State.READY for row in rows)
