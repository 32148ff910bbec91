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
    """A node was seen for the first time, or one of these fields changed."""

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
    """A SovereignZone: its content from this entry on."""

    name: str
    """The zone."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    country: str
    """The country of the facility."""
    facility: str
    """The facility's name of record."""
    un_locode: str = ""
    """The place's UN/LOCODE."""
    operator: str
    """The legal name of its operator."""
    operator_country: str
    """The country where the operator is incorporated."""
    parent_country: str
    """The country of the operator's ultimate parent."""
    maximum_data_class: str
    """The most sensitive class of data that may be handled there."""
    spec: str
    """The digest of the spec as canonical JSON, which is stored next to the log."""


class PolicyRecorded(Record):
    """A SovereigntyPolicy: its content from this entry on, and whether it was in force."""

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
    """The digest of their names, as canonical JSON, which is stored next to the log."""
    spec: str
    """The digest of the spec with its preset, as canonical JSON, which is stored next to the log."""


class ProfileRecorded(Record):
    """An AcceleratorProfile: its content from this entry on."""

    name: str
    """The profile."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    spec: str
    """The digest of the spec as canonical JSON, which is stored next to the log."""


class ExemptionRecorded(Record):
    """A SovereigntyExemption: its content from this entry on. Requester and approvers are pseudonyms."""

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
    """The namespaces in which they don't apply."""
    expires: str
    """When it ends."""
    state: str = ""
    """Its condition Active, as status and reason."""
    requested_by: str
    """The pseudonym of the user who requested it."""
    approved_by: list[str] = []
    """The pseudonyms of the users who approved it."""


class AttestationRecorded(Record):
    """A NodeAttestation: the content of its statement from this entry on, for any signing key.

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
    """The serial number that the authority gave the statement."""
    not_before: str
    """The start of its validity."""
    not_after: str
    """The end of its validity."""
    statement: str
    """The digest of the statement."""
    envelope: str
    """The digest of the signed envelope as canonical JSON, which is stored next to the log."""


class ModelRecorded(Record):
    """A SovereignModel: its content from this entry on, and its placement."""

    namespace: str
    """The model's namespace."""
    name: str
    """The model."""
    uid: str
    """Its metadata.uid."""
    generation: int
    """Its metadata.generation."""
    model: str
    """The name of the model in clients' requests."""
    uri: str
    """The location of its weights, without the digest."""
    weights: str = ""
    """The digest that pins the weights."""
    zone: str = ""
    """The zone where it was placed."""
    accelerator: str = ""
    """The AcceleratorProfile that was chosen."""
    conditions: dict[str, str] = {}
    """Its conditions, each as status and reason."""
    spec: str
    """The digest of the spec as canonical JSON. The spec isn't stored, since it may hold content that auditors must not read."""


class RunStarted(Record):
    """A pod of a governed namespace runs on this node: the recorder has read that it started."""

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
    """The country of the zone's facility."""
    operator_country: str = ""
    """The country where the zone's operator is incorporated."""
    parent_country: str = ""
    """The country of the operator's ultimate parent."""
    model: str = ""
    """The SovereignModel that it belongs to."""
    weights: str = ""
    """The digest that pins the model's weights."""
    loaded: str = ""
    """The digest of the loaded weights, as the init container checked and reported it."""
    started: str
    """When its first container started, as the kubelet reports it."""
    containers: dict[str, str] = {}
    """The digest of each container's image, as the kubelet reports it, by container."""
    accelerators: dict[str, int] = {}
    """The devices that it requests, by resource."""
    devices: list[str] = []
    """The devices that its ResourceClaims hold, as driver/pool/device."""
    left_out: dict[str, int] = {}
    """How many containers, accelerators or devices are left out because the entry would be too long, by field."""
    data_class: str = ""
    """The most sensitive data class that its policies require of zones."""
    evidence: dict[str, str] = {}
    """The evidence that the node is in the zone: declared, observed or attested, by each policy that requires more than the
    zone's record."""
    node_entry: int | None = None
    """The entry of the node at that time."""
    zone_entry: int | None = None
    """The entry of the zone at that time."""
    model_entry: int | None = None
    """The entry of the model at that time."""
    policy_entries: list[int] = []
    """The policies that governed it."""
    exemption_entries: list[int] = []
    """The exemptions that were in force in its namespace."""
    attestation_entries: list[int] = []
    """The NodeAttestations about the node that were valid."""


class RunChanged(RunStarted):
    """A field of a run has changed: another container has started, or facts of its zone have changed."""


class RunEnded(Record):
    """A run is over."""

    uid: str
    """The pod's metadata.uid."""
    reason: str
    """Completed, Failed, Deleted, NotGoverned, UnseenEnd if it ended while nothing was recorded, or the
    reason that Kubernetes reports."""
    ended: str = ""
    """When its last container ended, as the kubelet reports it. Without it, the entry has the time when the pod was found gone."""
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
    """The operator has evicted a pod or deleted a workload, as its Event reports."""

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
    """The time, by the operator's clock."""
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
    """The recorder could not observe something for a while. The log has the events of that time only as far as
    they could be read later."""

    of: str
    """Recorder, Cluster (the API server didn't respond, its facts weren't trusted, or a policy couldn't be read), or Operator (no
    replica led)."""
    since: str
    """The last time at which it was observed."""
    until: str
    """When it was observed again."""
    reason: str = ""
    """The cause, if it is known; at most 256 characters."""


class GapOpened(Record):
    """The recorder can't observe something any more. A Gap follows once it can again."""

    of: str
    """As for Gap."""
    since: str
    """The last time at which it was observed."""
    reason: str = ""
    """The cause, if it is known; at most 256 characters."""


class ClockSetBack(Record):
    """The recorder's clock shows an earlier time than the entry before."""

    before: str
    """The time of the entry before."""
    now: str
    """The time that the clock shows."""


class NotRecorded(Record):
    """The log can't hold an entry, for example because it has more than 65,535 bytes."""

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
    """The cause; at most 256 characters."""


class Heartbeat(Record):
    """No other entry was written for a while, and the recorder could read the cluster."""


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
