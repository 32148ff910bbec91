"""What the entries say that the recorder makes of the cluster's facts, kind by kind.

Every number that ends in ``Entry`` or ``Entries`` refers to another entry of the same log, by its index: what that entry says held
at that time. So a run needs few bytes, and the zone, the node and the policies as they were can be proved from the same log.
"""

from __future__ import annotations

from pydantic import Field

from .chiprecords import ChipRecorded, InventoryRecorded
from .record import Record

REFERENCES = (
    "nodeEntry",
    "zoneEntry",
    "modelEntry",
    "policyEntries",
    "exemptionEntries",
    "attestationEntries",
    "runEntry",
)
"""The fields that refer to other entries. The recorder fills them in as it appends."""


class NodeRecorded(Record):
    """A node was seen for the first time, or anything of this differs from the entry before."""

    name: str
    """The node."""
    uid: str
    """Its metadata.uid."""
    system_uuid: str = Field(default="", alias="systemUUID")
    """The machine's system UUID, as the kubelet reports it."""
    boot_id: str = Field(default="", alias="bootID")
    """The id of this boot, as the kubelet reports it."""
    kubelet: str = ""
    """The kubelet's version."""
    runtime: str = ""
    """The container runtime, with its version."""
    labels: dict[str, str] = {}
    """The labels of record: those under daulat.node-restriction.kubernetes.io/, without that prefix."""
    zone: str = ""
    """The zone of record."""
    no_zone: str = ""
    """Why there is no zone of record."""


class ZoneRecorded(Record):
    """A SovereignZone as it is from here on."""

    name: str
    """The zone."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    country: str
    """The country where the facility stands."""
    facility: str
    """The facility's name of record."""
    un_locode: str = ""
    """The place's UN/LOCODE."""
    operator: str
    """The legal name of who runs it."""
    operator_country: str
    """The country where the operator is incorporated."""
    parent_country: str
    """The country of the operator's ultimate parent."""
    maximum_data_class: str
    """The most sensitive class of data that may be handled there."""
    spec: str
    """The digest of the spec as canonical JSON, which is kept beside the log."""


class PolicyRecorded(Record):
    """A SovereigntyPolicy as it is from here on, and whether it was in force."""

    name: str
    """The policy."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    revision: str = ""
    """The revision of the compiled admission policies that are applied."""
    conditions: dict[str, str] = {}
    """Its conditions, each as status and reason, such as True/Proved."""
    namespaces: int = 0
    """How many namespaces it governs."""
    governed: str = ""
    """The digest of their names, as canonical JSON, which is kept beside the log."""
    spec: str
    """The digest of the spec with its preset, as canonical JSON, which is kept beside the log."""


class ProfileRecorded(Record):
    """An AcceleratorProfile as it is from here on."""

    name: str
    """The profile."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    spec: str
    """The digest of the spec as canonical JSON, which is kept beside the log."""


class ExemptionRecorded(Record):
    """A SovereigntyExemption as it is from here on. Who asked and who approved are pseudonyms."""

    name: str
    """The exemption."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    policy: str
    """The policy that it relaxes."""
    controls: list[str]
    """The controls that don't apply."""
    namespaces: list[str]
    """Where they don't apply."""
    expires: str
    """When it ends."""
    state: str = ""
    """Its condition Active, as status and reason."""
    requested_by: str
    """The pseudonym of the user who asked."""
    approved_by: list[str] = []
    """The pseudonyms of the users who approved it."""


class AttestationRecorded(Record):
    """A NodeAttestation as it is from here on: what its statement says, by whichever key it was signed.

    Runs say whether it was evidence.
    """

    name: str
    """The NodeAttestation."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    node: str
    """The node that the statement is about."""
    system_uuid: str = Field(alias="systemUUID")
    """The machine's system UUID."""
    facility: str
    """The facility where the node is."""
    country: str
    """The facility's country."""
    authority: str
    """The authority that states it."""
    serial_number: str
    """The authority's number of the statement."""
    not_before: str
    """From when on it is valid."""
    not_after: str
    """Until when."""
    statement: str
    """The digest of the statement."""
    envelope: str
    """The digest of the signed envelope as canonical JSON, which is kept beside the log."""


class ModelRecorded(Record):
    """A SovereignModel as it is from here on, and where it was placed."""

    namespace: str
    """The model's namespace."""
    name: str
    """The model."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    model: str
    """The name of the model that clients ask for."""
    uri: str
    """Where its weights are, without the digest."""
    weights: str = ""
    """The digest that pins the weights."""
    zone: str = ""
    """The zone where it was placed."""
    accelerator: str = ""
    """The AcceleratorProfile that was chosen."""
    conditions: dict[str, str] = {}
    """Its conditions, each as status and reason."""
    spec: str
    """The digest of the spec as canonical JSON. The spec may hold what isn't for auditors, so it isn't kept."""


class RunStarted(Record):
    """A pod of a governed namespace runs: from here on it is known to have started, on this node."""

    namespace: str
    """The pod's namespace."""
    pod: str
    """The pod."""
    uid: str
    """Its metadata.uid."""
    node: str
    """The node that it is bound to."""
    zone: str = ""
    """The node's zone of record."""
    no_zone: str = ""
    """Why the node has no zone of record."""
    country: str = ""
    """The country where the zone's facility stands."""
    operator_country: str = ""
    """The country where the zone's operator is incorporated."""
    parent_country: str = ""
    """The country of the operator's ultimate parent."""
    model: str = ""
    """The SovereignModel that it belongs to."""
    weights: str = ""
    """The digest that pins the model's weights."""
    loaded: str = ""
    """The digest that the weights had that were loaded, as the init container reports that it checked."""
    started: str
    """When its first container started, as the kubelet reports it."""
    containers: dict[str, str] = {}
    """The digest of each container's image, as the kubelet reports it, by container."""
    accelerators: dict[str, int] = {}
    """The devices that it asks for, by resource."""
    devices: list[str] = []
    """The devices that its ResourceClaims hold, as driver/pool/device."""
    left_out: dict[str, int] = {}
    """How many more containers, accelerators or devices there are than an entry has room for, by field."""
    data_class: str = ""
    """The class of data that its policies demand of zones, the most sensitive one."""
    evidence: dict[str, str] = {}
    """How it was known that the node stands in the zone: declared, observed or attested, by each policy that demands more than the
    zone's record."""
    node_entry: int | None = None
    """The node as it was."""
    zone_entry: int | None = None
    """The zone as it was."""
    model_entry: int | None = None
    """The model as it was."""
    policy_entries: list[int] = []
    """The policies that governed it."""
    exemption_entries: list[int] = []
    """The exemptions that were in force in its namespace."""
    attestation_entries: list[int] = []
    """The NodeAttestations about the node that were valid."""


class RunChanged(RunStarted):
    """Anything of a run differs from the entry before: another container has started, or its zone has other facts."""


class RunEnded(Record):
    """A run is over."""

    uid: str
    """The pod's metadata.uid."""
    reason: str
    """Completed, Failed, Deleted, NotGoverned, UnseenEnd where it ended while nothing was recorded, or what Kubernetes reports."""
    ended: str = ""
    """When its last container ended, as the kubelet reports it. Without it, the entry's time is when the pod was seen gone."""
    run_entry: int | None = None
    """The RunStarted."""


class Gone(Record):
    """An object that was recorded doesn't exist any more."""

    of: str
    """Its kind."""
    namespace: str = ""
    """Its namespace."""
    name: str
    """Its name."""
    uid: str
    """Its metadata.uid."""


class Evicted(Record):
    """The operator has taken away a pod or a workload, as its Event reports."""

    of: str
    """Pod or SovereignModel."""
    namespace: str
    """The namespace."""
    name: str
    """The name."""
    uid: str
    """The uid."""
    reason: str
    """The Event's reason."""
    message: str
    """The Event's message, at most 256 characters."""
    at: str
    """When, by the operator's clock."""
    event: str
    """The Event's uid."""


class RecorderStarted(Record):
    """A replica of the recorder begins to write."""

    replica: str
    """Its name."""
    release: str
    """Daulat's release."""
    cluster: str = ""
    """The uid of the namespace kube-system, which identifies the cluster."""
    kubernetes: str = ""
    """The API server's version."""


class Gap(Record):
    """Something was not observed for a while: what happened then is in the log only as far as it could still be seen later."""

    of: str
    """Recorder, Cluster (the API server didn't answer, nothing new was believed, or a policy couldn't be read), or Operator (no
    replica led)."""
    since: str
    """The last time at which it was observed."""
    until: str
    """When it was observed again."""
    reason: str = ""
    """Why, as far as it is known; at most 256 characters."""


class GapOpened(Record):
    """Something isn't observed any more. The Gap follows once it is again."""

    of: str
    """As for Gap."""
    since: str
    """The last time at which it was observed."""
    reason: str = ""
    """Why, as far as it is known; at most 256 characters."""


class ClockSetBack(Record):
    """The recorder's clock shows an earlier time than the entry before."""

    before: str
    """The time of the entry before."""
    now: str
    """What the clock shows."""


class NotRecorded(Record):
    """Something happened of which the log can't hold the entry, such as one of more than 65,535 bytes."""

    of: str
    """The kind of the entry."""
    namespace: str = ""
    """Its namespace; names are cut to 256 characters here."""
    name: str = ""
    """Its name."""
    pod: str = ""
    """Its pod."""
    uid: str = ""
    """Its uid."""
    reason: str
    """Why, at most 256 characters."""


class Heartbeat(Record):
    """Nothing else was recorded for a while, and the recorder saw the cluster."""


KINDS: tuple[type[Record], ...] = (
    NodeRecorded,
    ZoneRecorded,
    PolicyRecorded,
    ProfileRecorded,
    ExemptionRecorded,
    AttestationRecorded,
    ModelRecorded,
    RunStarted,
    RunChanged,
    RunEnded,
    Gone,
    Evicted,
    RecorderStarted,
    Gap,
    GapOpened,
    ClockSetBack,
    NotRecorded,
    Heartbeat,
    InventoryRecorded,
    ChipRecorded,
)
"""The kinds of entries that the recorder makes of what it observes itself."""
