"""The metrics of each process, as its own registry describes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from daulat.facts.store import Store
from daulat.operator import metrics as operator
from daulat.operator.factmetrics import Facts
from daulat.recorder import metrics as recorder
from dev.pages import between, page, table

PAGE = page("metrics")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
"""What the names of a type's series end with."""


@dataclass(frozen=True)
class Metric:
    """A metric."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series, as a query has them."""
        return tuple(self.name.removesuffix(s) + s for s in SUFFIXES.get(self.type, ("",)))


def of_operator() -> list[Metric]:
    """Return the operator's metrics, by name."""
    facts = [
        Metric(family.name, family.type, tuple(getattr(family, "_labelnames", ())), family.documentation)
        for family in Facts(Store("", ""), lambda: 0.0).collect()
    ]
    return sorted([*_declared(operator), *facts], key=lambda m: m.name)


def of_recorder() -> list[Metric]:
    """Return the recorder's metrics, by name."""
    return sorted(_declared(recorder), key=lambda m: m.name)


def texts() -> Iterator[tuple[str, str]]:
    """Yield each process and what its /metrics answers."""
    facts = CollectorRegistry()
    facts.register(Facts(Store("", ""), lambda: 0.0))
    yield "operator", (generate_latest(operator.REGISTRY) + generate_latest(facts)).decode()
    yield "recorder", generate_latest(recorder.REGISTRY).decode()


def written(text: str) -> str:
    """Return the page about metrics with its tables written anew."""
    for name, metrics in (("operator-metrics", of_operator()), ("recorder-metrics", of_recorder())):
        rows = [
            (
                f"`{m.series[0] if m.type == 'counter' else m.name}`",
                m.type,
                ", ".join(f"`{x}`" for x in m.labels),
                m.meaning,
            )
            for m in metrics
        ]
        text = between(text, name, table(("metric", "type", "labels", "meaning"), rows))
    return text


def _declared(module: ModuleType) -> Iterator[Metric]:
    for found in vars(module).values():
        if isinstance(found, MetricWrapperBase):
            (family,) = found.describe()
            yield Metric(family.name, family.type, tuple(found._labelnames), family.documentation)
