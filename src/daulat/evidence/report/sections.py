"""The sections of a report: which kinds of entries each has, and what it says where there is none."""

from __future__ import annotations

from dataclasses import dataclass

from daulat.ledger import rotation

from .claim import ENTRY, POLICY, RUN

AUDIT = "AuditBatch"
"""The kind of entry that a log has for each batch of the API server's audit log."""
NO_AUDIT = "not recorded: no audit log reached the recorder in this period"


@dataclass(frozen=True)
class Section:
    """One section."""

    name: str
    title: str
    kinds: tuple[str, ...]
    about: str = ENTRY
    standing: str = ""
    """The kind of object whose state is recorded when it changes: what held when the period began counts as well."""
    audited: bool = False
    """Whether the entries come from the API server's audit log."""
    empty: str = "none is recorded in this period"


SECTIONS = (
    Section("rules", "Rules in force", ("PolicyRecorded",), POLICY, "SovereigntyPolicy"),
    Section("zones", "Zones of record", ("ZoneRecorded",), ENTRY, "SovereignZone"),
    Section("runs", "What ran where", ("RunStarted", "RunChanged"), RUN),
    Section("exemptions", "Exemptions", ("ExemptionRecorded",), ENTRY, "SovereigntyExemption"),
    Section("evictions", "Evictions and drift", ("Evicted",)),
    Section(
        "refusals",
        "Refused requests, and violations that were admitted",
        ("Refused", "ViolationAdmitted"),
        audited=True,
    ),
    Section(
        "sessions",
        "Sessions with running pods",
        ("SessionOpened", "SessionClosed", "SessionFailed", "Proxied"),
        audited=True,
    ),
    Section("impersonations", "Requests in another user's name", ("Impersonated",), audited=True),
    Section("changes", "Changes of objects that Daulat decides by", ("Changed",), audited=True),
    Section(
        "gaps",
        "What was not observed",
        ("Gap", "GapOpened", "ClockSetBack", "AuditGap", "AuditUnreadable", "NotRecorded"),
        empty="no gap is recorded in this period",
    ),
    Section("nodes", "Nodes and boots", ("NodeRecorded",), ENTRY, "Node"),
    Section(
        "attestations",
        "Statements about nodes, whose signatures the report doesn't verify",
        ("AttestationRecorded",),
        ENTRY,
        "NodeAttestation",
    ),
    Section("inventories", "Inventories of chips", ("InventoryRecorded",), ENTRY, "AcceleratorInventory"),
    Section("chips", "Where chips are", ("ChipRecorded",), ENTRY, "Chip"),
    Section("keys", "Keys of the log", (rotation.KIND,)),
    Section("recorders", "Recorders that wrote the log", ("RecorderStarted",)),
)
