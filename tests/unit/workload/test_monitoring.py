"""Who comes to a model from other namespaces: those that every policy lets, to the port that they were let to."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.frozen import FrozenDict
from daulat.facts.platform import Platform
from daulat.workload.monitoring import pod_monitor
from daulat.workload.network import network_policy
from tests.unit.world import ASCEND, World, choice, model, policy, the_model

from .others import problems

PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
EDGE = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "envoy-gateway-system"}}}
READ = policy(monitoring={"allow": [PROMETHEUS]})


def ingress(world: World) -> list[dict[str, Any]]:
    snapshot = world.snapshot()
    specs = [p.spec for p in snapshot.governing("treasury")]
    rules: list[dict[str, Any]] = network_policy(the_model(snapshot), specs)["spec"]["ingress"]
    return rules


def monitors(world: World, platform: Platform | None = None) -> list[dict[str, Any]]:
    snapshot = world.snapshot()
    specs = [p.spec for p in snapshot.governing("treasury")]
    return pod_monitor(the_model(snapshot), specs, platform or Platform())


def test_nobody_comes_from_another_namespace_unless_a_policy_says_so() -> None:
    (own,) = ingress(World(models=[model(exposure={"gateway": "internal"})]))
    assert own["from"] == [{"podSelector": {}}]
    assert monitors(World()) == []


def test_who_may_read_metrics_comes_to_their_port_alone() -> None:
    mindie = model(engine={"name": "mindie"}, accelerators=[choice(ASCEND, 4)])
    _, rule = ingress(World(models=[mindie], policies=[READ]))
    assert rule == {"from": [PROMETHEUS], "ports": [{"protocol": "TCP", "port": 1027}]}


def test_one_policy_that_lets_nobody_read_is_enough() -> None:
    world = World(policies=[READ, policy("other")])
    assert len(ingress(world)) == 1
    assert monitors(world) == []


def test_gateways_of_other_namespaces_come_to_models_that_are_exposed() -> None:
    open_ = policy(exposure={"gatewayClasses": ["internal"], "gatewayPeers": [EDGE]})
    assert len(ingress(World(policies=[open_]))) == 1
    _, rule = ingress(World(policies=[open_], models=[model(exposure={"gateway": "internal"})]))
    assert rule == {"from": [EDGE], "ports": [{"protocol": "TCP", "port": 8000}]}


def test_a_pod_monitor_gives_series_the_label_that_autoscalers_ask_by() -> None:
    (made,) = monitors(World(policies=[READ]), Platform(pod_monitor_labels=FrozenDict({"release": "prometheus"})))
    assert made["spec"]["podTargetLabels"] == ["daulat.dev/model"]
    assert made["spec"]["podMetricsEndpoints"] == [{"port": "http", "path": "/metrics"}]
    assert made["metadata"]["labels"]["release"] == "prometheus"
    assert made["metadata"]["labels"]["daulat.dev/model"] == "deepseek"
    assert problems(made) == []


def test_an_installers_labels_never_hide_whose_the_object_is() -> None:
    (made,) = monitors(World(policies=[READ]), Platform(pod_monitor_labels=FrozenDict({"daulat.dev/model": "x"})))
    assert made["metadata"]["labels"]["daulat.dev/model"] == "deepseek"


@pytest.mark.parametrize(("engine", "asks"), [("vllm", False), ("llama.cpp", True)])
def test_prometheus_is_given_the_key_where_metrics_ask_for_it(engine: str, asks: bool) -> None:
    keyed = model(engine={"name": engine, "apiKeySecret": {"name": "keys", "key": "api"}}, model={"file": "m.gguf"})
    (made,) = monitors(World(models=[keyed], policies=[READ]))
    (endpoint,) = made["spec"]["podMetricsEndpoints"]
    assert ("authorization" in endpoint) is asks
    assert problems(made) == []


def test_mindies_metrics_are_on_a_port_of_their_own() -> None:
    (made,) = monitors(World(models=[model(engine={"name": "mindie"})], policies=[READ]))
    assert made["spec"]["podMetricsEndpoints"] == [{"port": "metrics", "path": "/metrics"}]
