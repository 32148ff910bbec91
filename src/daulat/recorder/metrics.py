"""What Prometheus sees of the recorder."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from daulat.mirror.informer import Meters
from daulat.process import lag

REGISTRY = CollectorRegistry()

ENTRIES = Counter("daulat_ledger_entries_total", "Entries appended to the log.", ["kind"], registry=REGISTRY)
SIZE = Gauge("daulat_ledger_size", "Entries in the log.", registry=REGISTRY)
LAST = Gauge("daulat_ledger_last_append_timestamp_seconds", "The time of the last append.", registry=REGISTRY)
PENDING = Gauge("daulat_ledger_pending_entries", "Entries that aren't on the disk yet.", registry=REGISTRY)
FAILURES = Counter(
    "daulat_ledger_failures_total", "Failed attempts to open or to append to the log.", registry=REGISTRY
)
OPEN_GAPS = Gauge(
    "daulat_ledger_gap_open", "1 while the recorder can't observe something, by what.", ["of"], registry=REGISTRY
)
DEFECTS = Counter(
    "daulat_recorder_defects_total", "Passes over the facts that failed because of a defect.", registry=REGISTRY
)
COSIGNED = Counter(
    "daulat_ledger_witness_submissions_total",
    "Checkpoints submitted to witnesses.",
    ["witness", "outcome"],
    registry=REGISTRY,
)
UNWITNESSED = Gauge(
    "daulat_ledger_quorum_missed_since_timestamp_seconds",
    "The time since when too few witnesses cosign; 0 while enough do.",
    registry=REGISTRY,
)
GAPS = Counter("daulat_ledger_gaps_total", "Recorded gaps, by what couldn't be observed.", ["of"], registry=REGISTRY)
APPEND = Histogram(
    "daulat_ledger_append_seconds",
    "Time of one append, until it is on the disk and witnessed.",
    registry=REGISTRY,
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)
LOOP_BLOCKED = lag.histogram("daulat_recorder_loop_blocked_seconds", REGISTRY)
EVENTS = Counter("daulat_recorder_watch_events_total", "Watch events received.", ["kind"], registry=REGISTRY)
MISSED = Counter(
    "daulat_recorder_watch_missed_total",
    "Changes that a full list had and no watch reported.",
    ["kind"],
    registry=REGISTRY,
)
FAILED_LISTS = Counter(
    "daulat_recorder_list_failures_total", "Full lists of a kind that failed.", ["kind"], registry=REGISTRY
)
SYNCED = Gauge("daulat_recorder_facts_synced", "1 once every kind was listed in full.", registry=REGISTRY)
LEADER = Gauge("daulat_recorder_leader", "1 while this replica writes.", registry=REGISTRY)


def mirror() -> Meters:
    """Return what the informer counts with."""
    return Meters(
        heard=lambda kind, count: EVENTS.labels(kind).inc(count),
        missed=lambda kind, count: MISSED.labels(kind).inc(count),
        failed=lambda kind, count: FAILED_LISTS.labels(kind).inc(count),
    )
