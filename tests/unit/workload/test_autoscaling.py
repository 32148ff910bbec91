"""A model's autoscaler: by the engine's own metrics, of the model alone, and with no word of the author's in a query."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from daulat.api.model import SovereignModelSpec
from daulat.catalog.engines import engine
from daulat.facts.platform import Platform
from daulat.workload.autoscaling import Scaler, scaler
from tests.unit.world import World, model, policy, the_model

from .others import problems

PROMETHEUS = "http://prometheus.monitoring.svc:9090"
WAKE = 'sum(rate(gateway_requests_total{route="{namespace}/{name}"}[1m]))'
KNOWN = Platform(prometheus=PROMETHEUS, wake_query=WAKE)
NOBODY = Platform()


def scaling(platform: Platform = NOBODY, *, keda: bool = False, loading: bool = False, **world: Any) -> Scaler:
    """Return the autoscaler of the world's only model."""
    snapshot = World(**world).snapshot()
    found = the_model(snapshot)
    made = scaler(found, snapshot.governing(found.namespace), platform, keda=keda, loading=loading)
    assert made is not None
    return made


def asks(engine: dict[str, Any] | None = None, replicas: int = 1, **autoscaling: Any) -> dict[str, Any]:
    """Return a world's models: one that is scaled from 1 to 4 by 5 waiting requests, or otherwise."""
    asked = {"maxReplicas": 4, "target": 5, **autoscaling}
    return {"models": [model(engine=engine or {"name": "vllm"}, replicas=replicas, autoscaling=asked)]}


def spec(made: Scaler) -> dict[str, Any]:
    assert made.manifest is not None
    found: dict[str, Any] = made.manifest["spec"]
    return found


def test_a_model_that_asks_for_none_has_none() -> None:
    snapshot = World().snapshot()
    assert scaler(the_model(snapshot), [], NOBODY, keda=True, loading=False) is None


CUSTOM = {"name": "custom", "custom": {"command": ["serve"], "metrics": {"waiting": "own_queue"}}}


@pytest.mark.parametrize(
    ("engine_spec", "metric", "name", "target"),
    [
        ({"name": "vllm"}, "Waiting", "vllm_num_requests_waiting", "5"),
        ({"name": "vllm"}, "CacheUsage", "vllm_kv_cache_usage_perc", "50m"),
        ({"name": "sglang"}, "Waiting", "sglang_num_queue_reqs", "5"),
        ({"name": "sglang"}, "Running", "sglang_num_running_reqs", "5"),
        ({"name": "llama.cpp"}, "Waiting", "llamacpp_requests_deferred", "5"),
        ({"name": "mindie"}, "Waiting", "num_requests_waiting", "5"),
        (CUSTOM, "Waiting", "own_queue", "5"),
    ],
)
def test_every_engine_is_asked_for_its_own_metric(
    engine_spec: dict[str, Any], metric: str, name: str, target: str
) -> None:
    made = scaling(**asks(engine_spec, metric=metric))
    assert made.problem == ""
    (asked,) = spec(made)["metrics"]
    assert asked["pods"] == {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": target}}
    assert spec(made)["scaleTargetRef"] == {
        "apiVersion": "daulat.dev/v1alpha1",
        "kind": "SovereignModel",
        "name": "deepseek",
    }


def test_a_full_cache_is_one_and_not_a_hundred() -> None:
    (asked,) = spec(scaling(**asks(metric="CacheUsage", target=100)))["metrics"]
    assert asked["pods"]["target"]["averageValue"] == "1"


@pytest.mark.parametrize("name", ["vllm", "sglang", "llama.cpp", "mindie"])
def test_engines_names_are_names_for_prometheus(name: str) -> None:
    assert {"Waiting", "Running"} <= set(engine(name).metrics)
    for metric in engine(name).metrics.values():
        SovereignModelSpec.model_validate(
            model(autoscaling={"maxReplicas": 2, "target": 1, "metricName": metric})["spec"]
        )


def test_an_adapter_with_another_name_is_asked_by_it() -> None:
    (asked,) = spec(scaling(**asks(metricName="queue_depth")))["metrics"]
    assert asked["pods"]["metric"]["name"] == "queue_depth"


@pytest.mark.parametrize(
    ("engine_spec", "metric", "field"),
    [
        ({"name": "llama.cpp"}, "CacheUsage", "spec.autoscaling.metric"),
        (CUSTOM, "Running", "spec.engine.custom.metrics"),
        ({"name": "custom", "custom": {"command": ["serve"]}}, "Waiting", "spec.engine.custom.metrics"),
    ],
)
def test_an_engine_that_doesnt_tell_is_never_scaled_by_it(engine_spec: dict[str, Any], metric: str, field: str) -> None:
    made = scaling(KNOWN, keda=True, **asks(engine_spec, metric=metric))
    assert (made.manifest, made.reason) == (None, "MetricNotSupported")
    assert made.problem.startswith(f"{field}: {engine_spec['name']} doesn't export {metric}")


def test_no_replica_goes_while_another_loads() -> None:
    assert spec(scaling(**asks()))["behavior"]["scaleDown"]["selectPolicy"] == "Max"
    assert spec(scaling(loading=True, **asks()))["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
    (behaviour,) = spec(scaling(KNOWN, keda=True, loading=True, **asks()))["advanced"].values()
    assert behaviour["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"


def test_keda_takes_over_where_it_can_ask_a_prometheus() -> None:
    assert scaling(keda=True, **asks()).manifest["kind"] == "HorizontalPodAutoscaler"  # type: ignore[index]
    assert scaling(KNOWN, **asks()).manifest["kind"] == "HorizontalPodAutoscaler"  # type: ignore[index]
    made = spec(scaling(KNOWN, keda=True, **asks(minReplicas=2)))
    assert (made["minReplicaCount"], made["maxReplicaCount"]) == (2, 4)
    (trigger,) = made["triggers"]
    assert trigger["metadata"] == {
        "serverAddress": PROMETHEUS,
        "query": 'sum(vllm:num_requests_waiting{namespace="treasury",daulat_dev_model="deepseek"})',
        "threshold": "5",
        "activationThreshold": "0",
    }


def test_a_model_goes_to_zero_where_requests_can_wake_it() -> None:
    made = spec(scaling(KNOWN, keda=True, **asks(minReplicas=0)))
    assert made["minReplicaCount"] == 0
    wake = made["triggers"][1]["metadata"]
    assert wake["query"] == 'sum(rate(gateway_requests_total{route="treasury/deepseek"}[1m]))'
    busy = made["triggers"][2]["metadata"]
    assert busy["query"] == 'sum(vllm:num_requests_running{namespace="treasury",daulat_dev_model="deepseek"})'
    # They only wake, or keep awake: no number of requests makes a second replica by them.
    assert min(int(wake["threshold"]), int(busy["threshold"])) >= 10**9
    by_running = spec(scaling(KNOWN, keda=True, **asks(minReplicas=0, metric="Running")))
    assert [t["name"] for t in by_running["triggers"]] == ["engine", "requests"]


def test_a_model_that_was_woken_isnt_put_to_sleep_while_it_loads() -> None:
    assert spec(scaling(KNOWN, keda=True, loading=True, **asks(minReplicas=0)))["minReplicaCount"] == 1


@pytest.mark.parametrize(
    ("platform", "keda", "words"),
    [
        (KNOWN, False, "that requires KEDA; the model keeps one replica"),
        (NOBODY, True, "that requires the address of a Prometheus"),
        (Platform(prometheus=PROMETHEUS), True, "prometheus.wakeQuery isn't set"),
    ],
)
def test_a_model_stays_awake_and_is_told_why_where_something_is_missing(
    platform: Platform, keda: bool, words: str
) -> None:
    made = scaling(platform, keda=keda, **asks(minReplicas=0))
    least = spec(made).get("minReplicas", spec(made).get("minReplicaCount"))
    assert (least, made.reason) == (1, "ScaleToZeroUnavailable")
    assert words in made.problem
    asleep = scaling(platform, keda=keda, **asks(minReplicas=0, replicas=0))
    assert "set spec.replicas to 1 to start the model" in asleep.problem


def test_a_model_that_nobody_wakes_is_told() -> None:
    made = scaling(**asks(replicas=0))
    assert made.reason == "CannotScaleFromZero"


def test_a_policys_prometheus_takes_the_place_of_the_operators() -> None:
    own = policy(monitoring={"prometheus": {"address": "https://metrics.example.my/query"}})
    made = spec(scaling(KNOWN, keda=True, policies=[own], **asks()))
    assert made["triggers"][0]["metadata"]["serverAddress"] == "https://metrics.example.my/query"


def test_policies_that_name_different_servers_have_none_asked() -> None:
    both = [policy(n, monitoring={"prometheus": {"address": f"https://{n}.example.my"}}) for n in ("one", "two")]
    made = scaling(KNOWN, keda=True, policies=both, **asks())
    assert (made.manifest, made.reason) == (None, "AmbiguousPrometheus")
    assert made.problem.startswith("policies one, two name different Prometheus servers")


@pytest.mark.parametrize(
    "told",
    [
        {"metricName": 'x"} or vector(1) #'},
        {"metricName": "../../../../api/v1/secrets"},
        {"metricName": "a%2fb"},
        {"prometheus": "http://169.254.169.254"},
        {"query": "up"},
        {"minReplicas": 5},
        {"minReplicas": -1},
        {"maxReplicas": 0},
        {"metric": "CacheUsage", "target": 101},
        {"scaleDownSeconds": 3601},
    ],
)
def test_what_would_lead_elsewhere_or_makes_no_sense_cant_be_said(told: dict[str, Any]) -> None:
    """An address, a query or a path of the author's would be asked by KEDA or the API server with their rights."""
    with pytest.raises(ValidationError):
        SovereignModelSpec.model_validate(model(autoscaling={"maxReplicas": 4, "target": 5, **told})["spec"])


@pytest.mark.parametrize("name", ['x"', "x{", "x y", "x)", "9x", ""])
def test_a_custom_engines_metric_is_a_name_and_no_query(name: str) -> None:
    own = {"name": "custom", "custom": {"command": ["serve"], "metrics": {"waiting": name}}}
    with pytest.raises(ValidationError):
        SovereignModelSpec.model_validate(model(engine=own)["spec"])


@pytest.mark.parametrize("keda", [True, False])
@pytest.mark.parametrize("loading", [True, False])
@pytest.mark.parametrize("told", [{}, {"minReplicas": 0}, {"metric": "CacheUsage", "scaleDownSeconds": 0}])
def test_what_is_rendered_is_what_others_take(keda: bool, loading: bool, told: dict[str, Any]) -> None:
    made = scaling(KNOWN, keda=keda, loading=loading, **asks(**told))
    assert made.manifest is not None
    assert problems(made.manifest) == []
