"""What Prometheus sees of the operator."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from daulat.api import reasons
from daulat.facts.declared import Declared
from daulat.facts.snapshot import Snapshot
from daulat.facts.store import Store
from daulat.mirror.informer import Meters

REGISTRY = CollectorRegistry()
_CHIP_STATES = ("seen", "missing", "gone", "awaited", "outside", "ambiguous", "undeclared")
"""As the status of an AcceleratorInventory counts them. A chip that is seen may be outside or ambiguous as well."""

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
FAILED_LISTS = Counter("daulat_list_failures_total", "Full lists of a kind that failed.", ["kind"], registry=REGISTRY)
LOOP_BLOCKED = Histogram(
    "daulat_loop_blocked_seconds",
    "Time for which the event loop was blocked.",
    registry=REGISTRY,
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
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


def observe(store: Store) -> None:
    """Let scrapes read the policies and models of a store, in place of the one before."""
    _FACTS.store = store


class _Facts(Collector):
    """Gauges of what is known, worked out when somebody scrapes: so nothing is left of an object that is gone."""

    store: Store | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        snapshot = self.store.snapshot() if self.store is not None else Snapshot()
        enforced = GaugeMetricFamily("daulat_policy_enforced", "1 where a canary proved the policy.", labels=["policy"])
        nodes = GaugeMetricFamily("daulat_eligible_nodes", "Nodes that are eligible under a policy.", labels=["policy"])
        held = GaugeMetricFamily("daulat_evictions_held", "Pods that the brake of a policy holds.", labels=["policy"])
        for name, policy in sorted(snapshot.policies.items()):
            brake = policy.status.brake
            enforced.add_metric([name], float(policy.status.is_true(reasons.ENFORCED)))
            nodes.add_metric([name], float(policy.status.eligible_nodes or 0))
            held.add_metric([name], float((brake.held or 0) if brake is not None else 0))
        models = GaugeMetricFamily("daulat_models", "Models by phase.", labels=["phase"])
        known = (m for m in snapshot.models.values() if isinstance(m, Declared))
        phases = Count(m.status.phase or "Pending" for m in known)
        for phase in ("Pending", "Placing", "Ready", "Refused"):
            models.add_metric([phase], float(phases[phase]))
        chips = GaugeMetricFamily(
            "daulat_chips", "Chips by inventory, and by what is known of them.", labels=["inventory", "state"]
        )
        for name, inventory in sorted(snapshot.inventories.items()):
            for state in _CHIP_STATES:
                chips.add_metric([name, state], float(getattr(inventory.status, state) or 0))
        yield from (enforced, nodes, held, models, chips)


_FACTS = _Facts()
REGISTRY.register(_FACTS)
