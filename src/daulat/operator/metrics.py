"""What Prometheus sees of the operator."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from daulat.mirror.informer import Meters
from daulat.process import lag

REGISTRY = CollectorRegistry()

RECONCILES = Counter("daulat_reconcile_total", "Passes of a reconciler.", ["kind", "result"], registry=REGISTRY)
DURATION = Histogram(
    "daulat_reconcile_seconds",
    "Time of one pass, its effects included.",
    ["kind"],
    registry=REGISTRY,
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)
EFFECTS = Counter("daulat_effects_total", "Writes to the cluster.", ["effect", "result"], registry=REGISTRY)
REQUESTS = Counter(
    "daulat_api_requests_total", "Requests to the API server, except watches.", ["method"], registry=REGISTRY
)
API_ERRORS = Counter(
    "daulat_api_errors_total",
    "Requests to the API server that failed: with the status of the response, or NoAnswer.",
    ["method", "status"],
    registry=REGISTRY,
)
EVICTED = Counter(
    "daulat_evicted_pods_total",
    "Pods whose eviction was decided, by the policy that they count against.",
    ["policy"],
    registry=REGISTRY,
)
ENFORCEMENT = Histogram(
    "daulat_policy_enforcement_seconds",
    "Time from a received change of a policy until a canary proved it.",
    registry=REGISTRY,
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
FACTS_AGE = Gauge(
    "daulat_facts_age_seconds",
    "Time since the API server's last response to the mirror.",
    registry=REGISTRY,
)
EVENTS = Counter("daulat_watch_events_total", "Watch events received.", ["kind"], registry=REGISTRY)
MISSED = Counter(
    "daulat_watch_missed_total",
    "Changes that a full list had and no watch reported.",
    ["kind"],
    registry=REGISTRY,
)
FAILED_LISTS = Counter("daulat_list_failures_total", "Full lists of a kind that failed.", ["kind"], registry=REGISTRY)
LOOP_BLOCKED = lag.histogram("daulat_loop_blocked_seconds", REGISTRY)
EVICTIONS_WAITING = Gauge(
    "daulat_evictions_waiting", "Pods and workloads that wait for their deletion.", registry=REGISTRY
)
QUEUE = Gauge("daulat_queue_depth", "Keys that wait for a pass.", registry=REGISTRY)
SYNCED = Gauge("daulat_facts_synced", "1 once every kind was listed in full.", registry=REGISTRY)
LEADER = Gauge("daulat_leader", "1 while this replica writes.", registry=REGISTRY)


def mirror() -> Meters:
    """Return what the informer counts with."""
    return Meters(
        heard=lambda kind, count: EVENTS.labels(kind).inc(count),
        missed=lambda kind, count: MISSED.labels(kind).inc(count),
        failed=lambda kind, count: FAILED_LISTS.labels(kind).inc(count),
    )
