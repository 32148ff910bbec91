"""Writes a model's autoscaler: a HorizontalPodAutoscaler, or KEDA's ScaledObject where KEDA and a Prometheus are there.

Both write spec.replicas of the model through /scale, and nothing else. Where the replicas may run is decided elsewhere, as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from daulat.api import reasons
from daulat.api.autoscaling import Autoscaling
from daulat.api.kinds import Manifest
from daulat.api.names import API_VERSION
from daulat.api.requirements import PrometheusServer
from daulat.catalog.engines import engine_of
from daulat.facts.platform import Platform
from daulat.facts.snapshot import Model, Policy

from .labels import owned

HPA, SCALED_OBJECT = "HorizontalPodAutoscaler", "ScaledObject"
MODEL_SERIES_LABEL = "daulat_dev_model"
"""What Prometheus calls the pods' label daulat.dev/model, where it takes pods' labels over."""
NEVER = "1000000000"
"""A threshold that nothing reaches: a trigger with it wakes a model or keeps it awake, but never asks for a second replica."""


@dataclass(frozen=True)
class Scaler:
    """The autoscaler of a model, or why it isn't as it was requested."""

    manifest: Manifest | None
    metric: str = ""
    reason: str = ""
    problem: str = ""
    """A sentence; empty where all is as it was requested."""


def scaler(model: Model, policies: Sequence[Policy], platform: Platform, *, keda: bool, loading: bool) -> Scaler | None:
    """Return the autoscaler; None where the model asks for none. ``keda`` says whether the cluster knows ScaledObjects,
    ``loading`` whether a replica has its devices but doesn't answer yet: then none may go."""
    asked = model.spec.autoscaling
    if asked is None:
        return None
    metric = engine_of(model.spec.engine).metrics.get(asked.metric)
    if metric is None:
        where = "spec.engine.custom.metrics" if model.spec.engine.custom else "spec.autoscaling.metric"
        told = f"{where}: {model.spec.engine.name} doesn't export {asked.metric}. Choose another metric or name one."
        return Scaler(None, "", reasons.METRIC_NOT_SUPPORTED, told)
    prometheus = _prometheus(policies, platform)
    if isinstance(prometheus, str):
        return Scaler(None, metric, reasons.AMBIGUOUS_PROMETHEUS, prometheus)
    if keda and prometheus is not None:
        asleep = asked.min_replicas == 0 and prometheus.wake_query is not None
        made = _scaled_object(model, asked, metric, prometheus, loading, asleep)
        if asked.min_replicas == 0 and not asleep:
            why = "prometheus.wakeQuery isn't set, so nothing would scale the model from zero"
            return _short_of_zero(model, made, metric, why)
        return Scaler(made, metric)
    served = asked.metric_name or metric.replace(":", "_")
    made = _horizontal(model, asked, served, loading)
    if asked.min_replicas == 0:
        lacking = (
            "the address of a Prometheus server, set by a policy or in the operator's configuration" if keda else "KEDA"
        )
        why = f"a HorizontalPodAutoscaler can't scale to zero; that requires {lacking}"
        return _short_of_zero(model, made, served, why)
    if model.spec.replicas == 0:
        why = "a HorizontalPodAutoscaler can't scale from zero. Set spec.replicas to 1."
        return Scaler(made, served, reasons.CANNOT_SCALE_FROM_ZERO, f"spec.replicas: {why}")
    return Scaler(made, served)


def _short_of_zero(model: Model, made: Manifest, metric: str, why: str) -> Scaler:
    then = "the model keeps one replica" if model.spec.replicas else "set spec.replicas to 1 to start the model"
    told = f"spec.autoscaling.minReplicas: {why}; {then}."
    return Scaler(made, metric, reasons.SCALE_TO_ZERO_UNAVAILABLE, told)


def _prometheus(policies: Sequence[Policy], platform: Platform) -> PrometheusServer | str | None:
    """Return the Prometheus that KEDA asks, None where nobody names one, or why there is none to choose."""
    named = {
        p.name: p.spec.monitoring.prometheus for p in policies if p.spec.monitoring and p.spec.monitoring.prometheus
    }
    servers = dict.fromkeys(named.values())
    if len(servers) > 1:
        return f"policies {', '.join(named)} name different Prometheus servers."
    if servers:
        return next(iter(servers))
    if not platform.prometheus:
        return None
    return PrometheusServer(address=platform.prometheus, wake_query=platform.wake_query or None)


def _horizontal(model: Model, asked: Autoscaling, metric: str, loading: bool) -> Manifest:
    target = {"type": "AverageValue", "averageValue": _quantity(asked)}
    spec = {
        "scaleTargetRef": _target(model),
        "minReplicas": max(asked.min_replicas, 1),
        "maxReplicas": asked.max_replicas,
        "metrics": [{"type": "Pods", "pods": {"metric": {"name": metric}, "target": target}}],
        "behavior": _behaviour(asked, loading),
    }
    return owned(model, "autoscaling/v2", HPA, {"spec": spec})


def _scaled_object(
    model: Model, asked: Autoscaling, metric: str, prometheus: PrometheusServer, loading: bool, to_zero: bool
) -> Manifest:
    address, running = prometheus.address, engine_of(model.spec.engine).metrics.get("Running")
    triggers = [_trigger("engine", address, _query(model, metric), format(_number(asked), "f"))]
    if to_zero:
        wakes = (prometheus.wake_query or "").replace("{namespace}", model.namespace).replace("{name}", model.name)
        triggers.append(_trigger("requests", address, wakes, NEVER))
        # An answer may take longer than anybody waits in a queue or comes anew: it keeps the model awake by itself.
        triggers += (
            [_trigger("running", address, _query(model, running), NEVER)] if running not in (None, metric) else []
        )
    spec = {
        "scaleTargetRef": _target(model),
        # A model that loads is asked for: whoever woke it may have gone meanwhile, and it would never finish.
        "minReplicaCount": 0 if to_zero and not loading else max(asked.min_replicas, 1),
        "maxReplicaCount": asked.max_replicas,
        "pollingInterval": 15,
        "cooldownPeriod": max(asked.scale_down_seconds, 1),
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behaviour(asked, loading)}},
        "triggers": triggers,
    }
    return owned(model, "keda.sh/v1alpha1", SCALED_OBJECT, {"spec": spec})


def _query(model: Model, metric: str | None) -> str:
    # Names of objects and metrics are letters, digits, dashes and colons: none ends a string or begins another selector.
    return f'sum({metric}{{namespace="{model.namespace}",{MODEL_SERIES_LABEL}="{model.name}"}})'


def _trigger(name: str, address: str, query: str, threshold: str) -> Manifest:
    told = {"serverAddress": address, "query": query, "threshold": threshold, "activationThreshold": "0"}
    return {"type": "prometheus", "name": name, "metricType": "AverageValue", "metadata": told}


def _target(model: Model) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": "SovereignModel", "name": model.name}


def _behaviour(asked: Autoscaling, loading: bool) -> Manifest:
    """Return how fast it goes. Accelerators are dear and models load for minutes: up by doubling, down one by one."""
    up = [{"type": "Percent", "value": 100, "periodSeconds": 60}, {"type": "Pods", "value": 1, "periodSeconds": 60}]
    down = {
        "stabilizationWindowSeconds": asked.scale_down_seconds,
        "selectPolicy": "Disabled" if loading else "Max",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    }
    return {"scaleUp": {"stabilizationWindowSeconds": 30, "selectPolicy": "Max", "policies": up}, "scaleDown": down}


def _number(asked: Autoscaling) -> Decimal:
    """Return the target in the metric's own unit: caches are told as parts of one."""
    return Decimal(asked.target) / 100 if asked.metric == "CacheUsage" else Decimal(asked.target)


def _quantity(asked: Autoscaling) -> str:
    """Return the target as the API server writes it, so that what is read back is what was written."""
    milli = int(_number(asked) * 1000)
    return f"{milli}m" if milli % 1000 else str(milli // 1000)
