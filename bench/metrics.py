"""Parses the operator's metrics: reconciliations by kind, the queue, and for how long the event loop was blocked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

PASSES = "daulat_reconcile_total"
BLOCKED = "daulat_loop_blocked_seconds"

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Metrics:
    """The metrics at one time."""

    samples: Mapping[tuple[str, Labels], float]

    def value(self, name: str, **labels: str) -> float | None:
        """Return one sample; None where there is none."""
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def summed(self, name: str, by: str) -> Counter[str]:
        """Return a metric summed up by one of its labels."""
        found: Counter[str] = Counter()
        for (sample, labels), value in self.samples.items():
            if sample == name:
                found[dict(labels).get(by, "")] += int(value)
        return found

    @property
    def passes(self) -> Counter[str]:
        """Reconciliations so far, by kind."""
        return self.summed(PASSES, "kind")

    def blocked_since(self, before: Metrics) -> tuple[float, bool] | None:
        """Return the longest block of the event loop in seconds, and whether that is only an upper bound.

        A histogram tells the bound of the highest bucket that has grown, and a gauge the most since the start. None where the
        operator measures neither.
        """
        gauges = [v for (name, _), v in self.samples.items() if name in (BLOCKED, f"{BLOCKED}_max")]
        if gauges:
            return max(gauges), False
        bounds = sorted(
            (float(dict(labels)["le"]), value - before.samples.get((name, labels), 0.0))
            for (name, labels), value in self.samples.items()
            if name == f"{BLOCKED}_bucket"
        )
        if not bounds:
            return None
        total = bounds[-1][1]
        # Buckets are cumulative: the first that holds all of the growth bounds the longest.
        return (next(bound for bound, grown in bounds if grown >= total), True) if total else (0.0, False)


def parse(text: str) -> Metrics:
    """Parse the text format of Prometheus."""
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return Metrics(samples)
