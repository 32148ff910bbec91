"""How many replicas a model has by what its engine says about itself, and what an engine must tell for that."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from .meta import Spec

EngineMetric = Literal["Waiting", "Running", "CacheUsage"]
MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=128)]
"""A name that Prometheus takes, and so no more than a name where it stands in a query or a path."""


class CustomMetrics(Spec):
    """What an engine that Daulat doesn't know calls its metrics."""

    waiting: MetricName | None = None
    """Requests that wait."""
    running: MetricName | None = None
    """Requests that are being answered."""
    cache_usage: MetricName | None = None
    """The part of the key-value cache that is used, from 0 to 1."""

    def named(self) -> dict[EngineMetric, str]:
        """Return the names by the words that models use."""
        found: dict[EngineMetric, str | None] = {
            "Waiting": self.waiting,
            "Running": self.running,
            "CacheUsage": self.cache_usage,
        }
        return {word: name for word, name in found.items() if name is not None}


class Autoscaling(Spec):
    """How many replicas the model has by what its engine says about itself. Daulat never writes spec.replicas: the autoscaler
    does, so leave it out of what is applied again and again."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.?minReplicas.orValue(1) <= self.maxReplicas",
                    "message": "minReplicas is at most maxReplicas",
                },
                {
                    "rule": "self.?metric.orValue('Waiting') != 'CacheUsage' || self.target <= 100",
                    "message": "the target of CacheUsage is per cent: at most 100",
                },
            ]
        }
    )

    min_replicas: int = Field(default=1, ge=0, le=1000, json_schema_extra={"format": "int32"})
    """The minimum number of replicas. 0 requires KEDA, and a Prometheus that has a metric of requests while no replica runs."""
    max_replicas: int = Field(ge=1, le=1000, json_schema_extra={"format": "int32"})
    """The maximum number of replicas. Replicas for which the chosen zone has no free devices stay pending there; they don't run
    in another zone."""
    metric: EngineMetric = "Waiting"
    """What counts: requests that wait, requests that are being answered, or how full the key-value cache is."""
    target: int = Field(ge=1, le=100000, json_schema_extra={"format": "int32"})
    """The average for each replica: a number of requests, or per cent for CacheUsage."""
    metric_name: MetricName | None = None
    """What the custom metrics API calls the metric of the pods; left out, the engine's name with underscores for colons."""
    scale_down_seconds: int = Field(default=300, ge=0, le=3600, json_schema_extra={"format": "int32"})
    """Seconds for which fewer replicas must have been enough before one is removed. Scale-down waits while a replica is
    loading."""

    @model_validator(mode="after")
    def _fits(self) -> Autoscaling:
        if self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas is at most maxReplicas")
        if self.metric == "CacheUsage" and self.target > 100:
            raise ValueError("the target of CacheUsage is per cent: at most 100")
        return self
