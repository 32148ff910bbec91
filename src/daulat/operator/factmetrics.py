"""Gauges of what is known, worked out at each scrape: so nothing is left of an object that is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from daulat.api import reasons
from daulat.facts.declared import Declared, Unparsable
from daulat.facts.snapshot import Snapshot
from daulat.facts.store import Store
from daulat.reconcile.inventory.accelerators import Accelerators
from daulat.reconcile.inventory.free import free_devices

SHOWN = 2_000
"""Objects of a kind whose conditions are exposed: series are what costs a Prometheus server its memory."""
ON_TRIAL = (reasons.NOT_ENFORCING, reasons.NO_GOVERNED_NAMESPACE)
"""Reasons for which a canary isn't tried."""
CHIP_STATES = ("seen", "missing", "gone", "awaited", "unobserved", "outside", "ambiguous", "undeclared")
"""As the status of an AcceleratorInventory counts them. A chip that is seen may be outside or ambiguous as well."""
PHASES = ("Pending", "Placing", "Ready", "Refused", "Drifting")


class Facts(Collector):
    """The gauges of one store."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing: a collector that isn't described is collected when it is registered, and there are no facts yet."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        snapshot = self._store.snapshot()
        yield from _policies(snapshot, self._clock())
        yield from _zones(snapshot)
        yield from _models(snapshot)
        yield from _exemptions(snapshot)
        yield _chips(snapshot)
        yield from _conditions(snapshot)


def _gauge(name: str, help_: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, labels=labels)


def _policies(snapshot: Snapshot, now: float) -> Iterator[GaugeMetricFamily]:
    enforced = _gauge(
        "daulat_policy_enforced",
        "1 if a canary proved the policy, otherwise 0; without policies that don't enforce or don't govern a namespace.",
        "policy",
    )
    nodes = _gauge("daulat_eligible_nodes", "Nodes that are eligible under a policy.", "policy")
    held = _gauge("daulat_evictions_held", "Pods that the brake of a policy holds.", "policy")
    drifted = _gauge("daulat_drifted_pods", "Governed pods on nodes that aren't eligible any more.", "policy")
    canary = _gauge("daulat_canary_age_seconds", "Time since a canary proved the policy's current revision.", "policy")
    for name, policy in sorted(snapshot.policies.items()):
        status = policy.status
        condition = status.condition(reasons.ENFORCED)
        in_force = condition is None or condition.reason not in ON_TRIAL
        if in_force:
            enforced.add_metric([name], float(status.is_true(reasons.ENFORCED)))
        nodes.add_metric([name], float(status.eligible_nodes or 0))
        held.add_metric([name], float((status.brake.held or 0) if status.brake is not None else 0))
        drifted.add_metric([name], float(sum(node.pods or 0 for node in status.drift or ())))
        proof = snapshot.proofs.get(name)
        if proof is not None and in_force:
            canary.add_metric([name], max(now - proof.at, 0.0))
    yield from (enforced, nodes, held, drifted, canary)
    untrusted = _gauge("daulat_facts_untrusted", "1 for an API group whose facts aren't trusted.", "group")
    for group in sorted(snapshot.untrusted):
        untrusted.add_metric([group], 1.0)
    yield untrusted


def _zones(snapshot: Snapshot) -> Iterator[GaugeMetricFamily]:
    nodes = _gauge("daulat_zone_nodes", "Nodes with this zone of record.", "zone", "country")
    conflicts = _gauge("daulat_zone_conflicting_nodes", "Nodes that the zone selects and that aren't in it.", "zone")
    devices = _gauge("daulat_zone_devices", "Allocatable accelerators.", "zone", "profile", "resource")
    free = _gauge(
        "daulat_zone_free_devices",
        "Accelerators that no pod holds, on nodes that are ready and schedulable.",
        "zone",
        "profile",
        "resource",
    )
    known = {} if {"Node", "AcceleratorProfile"} & snapshot.unlisted else snapshot.known_zones
    unheld = free_devices(snapshot) if known else Counter[tuple[str, str, str]]()
    for name, zone in known.items():
        found = Accelerators.of(snapshot).in_zone(name, snapshot)
        nodes.add_metric([name, zone.spec.country], float(found.nodes))
        conflicts.add_metric([name], float(len(found.conflicts)))
        for (profile, resource), count in sorted(found.devices.items()):
            if count:
                devices.add_metric([name, profile, resource], float(count))
                free.add_metric([name, profile, resource], float(unheld[name, profile, resource]))
    yield from (nodes, conflicts, devices, free)


def _models(snapshot: Snapshot) -> Iterator[GaugeMetricFamily]:
    models = _gauge("daulat_models", "Models by phase.", "phase")
    waiting = _gauge(
        "daulat_models_not_ready", "Models that aren't ready, by the reason of their condition Ready.", "reason"
    )
    phases: Counter[str] = Counter()
    why: Counter[str] = Counter()
    for model in snapshot.models.values():
        if isinstance(model, Declared):
            phases[model.status.phase or "Pending"] += 1
        ready = model.status.condition(reasons.READY)
        if ready is None or ready.status != "True":
            why[ready.reason if ready is not None else "Unknown"] += 1
    for phase in sorted({*PHASES, *phases}):
        models.add_metric([phase], float(phases[phase]))
    for reason, count in sorted(why.items()):
        waiting.add_metric([reason], float(count))
    yield from (models, waiting)


def _exemptions(snapshot: Snapshot) -> Iterator[GaugeMetricFamily]:
    expiry = _gauge(
        "daulat_exemption_expiry_timestamp_seconds", "When an exemption that is in force ends.", "exemption", "policy"
    )
    for name, exemption in sorted(snapshot.exemptions.items()):
        if isinstance(exemption, Declared) and exemption.status.is_true(reasons.ACTIVE):
            expiry.add_metric([name, exemption.spec.policy], exemption.spec.seconds_left(0.0))
    yield expiry


def _chips(snapshot: Snapshot) -> GaugeMetricFamily:
    chips = _gauge("daulat_chips", "Chips by inventory and state.", "inventory", "state")
    for name, inventory in sorted(snapshot.inventories.items()):
        for state in CHIP_STATES:
            chips.add_metric([name, state], float(getattr(inventory.status, state) or 0))
    return chips


def _conditions(snapshot: Snapshot) -> Iterator[GaugeMetricFamily]:
    conditions = _gauge(
        "daulat_condition",
        "1 for the current status of a condition of one of Daulat's objects.",
        "kind",
        "namespace",
        "name",
        "type",
        "status",
    )
    hidden = _gauge("daulat_objects_without_condition_metrics", f"Objects of a kind beyond the first {SHOWN}.", "kind")
    shelves: Mapping[str, Mapping[Any, Any]] = {
        "SovereignModel": snapshot.models,
        "SovereigntyExemption": snapshot.exemptions,
        "SovereigntyPolicy": snapshot.policies,
        "AcceleratorProfile": snapshot.profiles,
        "SovereignZone": snapshot.zones,
        "AcceleratorInventory": snapshot.inventories,
        "NodeAttestation": snapshot.attestations,
    }
    for kind, shelf in shelves.items():
        objects = sorted(shelf.values(), key=_urgency)
        for found in objects[:SHOWN]:
            for condition in found.status.conditions:
                labels = [kind, found.namespace, found.name, condition.type, condition.status.lower()]
                conditions.add_metric(labels, 1.0)
        hidden.add_metric([kind], float(max(len(objects) - SHOWN, 0)))
    yield from (conditions, hidden)


def _urgency(found: Declared[Any, Any] | Unparsable[Any]) -> tuple[bool, str, str]:
    """Order objects so that those that aren't well come first, and each stays where it is."""
    ready = found.status.condition(reasons.READY)
    return (ready is not None and ready.status == "True", found.namespace, found.name)
