"""What Prometheus sees of the operator."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
    "daulat_api_requests_total", "Requests to the API server, watches aside.", ["method"], registry=REGISTRY
)
EVENTS = Counter("daulat_watch_events_total", "Watch events received.", ["kind"], registry=REGISTRY)
MISSED = Counter(
    "daulat_watch_missed_total", "Facts that a full list brought and no watch.", ["kind"], registry=REGISTRY
)
QUEUE = Gauge("daulat_queue_depth", "Keys that wait for a pass.", registry=REGISTRY)
SYNCED = Gauge("daulat_facts_synced", "1 once every kind was listed in full.", registry=REGISTRY)
LEADER = Gauge("daulat_leader", "1 while this replica writes.", registry=REGISTRY)
ENFORCED = Gauge("daulat_policy_enforced", "1 where a canary proved the policy.", ["policy"], registry=REGISTRY)
MODELS = Gauge("daulat_models", "Models by phase.", ["phase"], registry=REGISTRY)
NODES = Gauge("daulat_eligible_nodes", "Nodes that are eligible under a policy.", ["policy"], registry=REGISTRY)
