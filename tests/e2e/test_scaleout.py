"""Autoscalers and routes on a real API server, with other projects' own CRDs and the real HorizontalPodAutoscaler's controller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from dev.cluster.addons.metrics import MetricsServer
from dev.deployment import ROOT, poll

from .world import Manifest, World, lower, model_manifest, raise_world, unique

ADDONS = ("keda", "gateway-api", "inference-pool", "prometheus-operator")
WAITING = "vllm_num_requests_waiting"
PROMETHEUS = {"address": "http://prometheus.monitoring.svc:9090", "wakeQuery": 'sum(requests{ns="{namespace}"})'}
SCALED = {"maxReplicas": 3, "target": 5, "scaleDownSeconds": 0}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster in which all is installed that autoscalers and routes can need."""
    directory = tmp_path_factory.mktemp("operator")
    raised = raise_world(unique("scaleout"), directory, say=lambda line: None, addons=ADDONS)
    record = json.dumps({"spec": {"gatewayClasses": ["internal"]}})
    raised.admin.run("patch", "szone", "cyberjaya-1", "--type=merge", f"--patch={record}")
    yield raised
    lower(raised)


@pytest.fixture(scope="module")
def metrics(world: World) -> Iterator[MetricsServer]:
    """Metrics that tests set."""
    with MetricsServer(world.cluster) as served:
        yield served


def ascend_model(namespace: str, count: int = 4, **spec: Any) -> Manifest:
    """Return a model on Ascend alone, of which nobody but an autoscaler says how many replicas it has."""
    manifest = model_manifest("m", namespace, **spec)
    manifest["spec"]["accelerators"] = [{**manifest["spec"]["accelerators"][0], "count": count}]
    del manifest["spec"]["replicas"]
    return manifest


def read(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((ROOT / "examples" / name).read_text()))


def gateway(namespace: str, class_: str = "internal") -> Manifest:
    listener = {"name": "http", "hostname": "*.example.my", "port": 80, "protocol": "HTTP"}
    spec = {"gatewayClassName": class_, "listeners": [listener]}
    meta = {"name": "edge", "namespace": namespace}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": meta, "spec": spec}


def accept(world: World, name: str, namespace: str) -> None:
    """Answer a route as the controller of its Gateway would."""
    route = world.made("httproute", name, namespace)
    conditions = [
        {
            "type": type_,
            "status": "True",
            "reason": type_,
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "observedGeneration": route["metadata"]["generation"],
        }
        for type_ in ("Accepted", "ResolvedRefs")
    ]
    parent = {
        "parentRef": route["spec"]["parentRefs"][0],
        "controllerName": "example.my/gateway",
        "conditions": conditions,
    }
    patch = json.dumps({"status": {"parents": [parent]}})
    world.admin.run(
        "patch", "httproute", name, "-n", namespace, "--subresource=status", "--type=merge", f"--patch={patch}"
    )


def replicas(world: World, namespace: str) -> tuple[int, int]:
    """Return how many replicas of m are requested, and how many are ready."""
    found = world.get("sovereignmodel", "m", namespace=namespace)
    return found["spec"]["replicas"], found["status"].get("readyReplicas", 0)


def test_a_model_follows_the_metric_of_its_pods_up_and_down(world: World, metrics: MetricsServer) -> None:
    with world.namespace() as namespace:
        metrics.set_pods(namespace, WAITING, total=1)
        world.admin.apply([ascend_model(namespace, 1, autoscaling=SCALED)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        told = world.wait_condition("sovereignmodel", "m", "Autoscaled", "True", namespace)
        assert told["message"] == f"1 to 3 replicas by {WAITING}, with a HorizontalPodAutoscaler"
        metrics.set_pods(namespace, WAITING, total=100)
        poll("a second replica", lambda: replicas(world, namespace) == (2, 2))
        assert len(world.pods(namespace)) == 2
        metrics.set_pods(namespace, WAITING, total=1)
        poll("one replica again", lambda: replicas(world, namespace) == (1, 1))


def test_a_metric_that_nobody_serves_is_told(world: World, metrics: MetricsServer) -> None:
    with world.namespace() as namespace:
        world.admin.apply([ascend_model(namespace, 1, autoscaling={**SCALED, "metricName": "nobodys"})])
        told = world.wait_reason("sovereignmodel", "m", "Autoscaled", "AutoscalerFailed", namespace)
        assert "nobodys" in told["message"]
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)


def test_more_replicas_than_fit_wait_in_the_zone_and_the_model_stays(world: World, metrics: MetricsServer) -> None:
    """Whoever writes /scale: here kubectl, as anybody's autoscaler would."""
    with world.namespace() as namespace:
        metrics.set_pods(namespace, WAITING, total=5000)
        world.admin.apply([ascend_model(namespace, 8, autoscaling={**SCALED, "maxReplicas": 20})])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        placed = world.get("sovereignmodel", "m", namespace=namespace)["status"]["placement"]
        world.admin.run("scale", "sovereignmodel", "m", "--replicas=20", "-n", namespace)
        told = world.wait_reason("sovereignmodel", "m", "Autoscaled", "ExceedsCapacity", namespace)
        assert told["message"].startswith(f"20 replicas are requested, and zone {placed['zone']} has room for ")
        assert world.condition("sovereignmodel", "m", "Placed", namespace)["status"] == "True"
        poll("every pod to be there", lambda: len(world.pods(namespace)) == 20)
        status = world.get("sovereignmodel", "m", namespace=namespace)["status"]
        assert (status["placement"]["zone"], status["placement"]["accelerator"]) == (
            placed["zone"],
            placed["accelerator"],
        )
        zones = {p["spec"]["nodeSelector"]["daulat.node-restriction.kubernetes.io/zone"] for p in world.pods(namespace)}
        assert zones == {placed["zone"]}
        assert status["readyReplicas"] >= 1


def test_keda_scales_where_a_policy_names_a_prometheus_and_an_autoscaler_goes_first(world: World) -> None:
    with world.governed() as (policy, namespace):
        world.admin.apply([ascend_model(namespace, 1, autoscaling={**SCALED, "minReplicas": 0})])
        world.made("hpa", "m", namespace)
        told = world.wait_reason("sovereignmodel", "m", "Autoscaled", "ScaleToZeroUnavailable", namespace)
        assert "the address of a Prometheus" in told["message"]
        patch = json.dumps({"spec": {"monitoring": {"prometheus": PROMETHEUS}}})
        world.admin.run("patch", "spolicy", policy, "--type=merge", f"--patch={patch}")
        scaled = world.made("scaledobject", "m", namespace)
        assert not world.exists("hpa", "m", namespace)
        assert scaled["spec"]["minReplicaCount"] == 0
        assert [t["metadata"]["query"] for t in scaled["spec"]["triggers"]] == [
            f'sum(vllm:num_requests_waiting{{namespace="{namespace}",daulat_dev_model="m"}})',
            f'sum(requests{{ns="{namespace}"}})',
            f'sum(vllm:num_requests_running{{namespace="{namespace}",daulat_dev_model="m"}})',
        ]
        world.admin.run(
            "patch", "spolicy", policy, "--type=json", '--patch=[{"op": "remove", "path": "/spec/monitoring"}]'
        )
        world.made("hpa", "m", namespace)
        assert not world.exists("scaledobject", "m", namespace)
        gone = json.dumps([{"op": "remove", "path": "/spec/autoscaling"}])
        world.admin.run("patch", "sovereignmodel", "m", "-n", namespace, "--type=json", f"--patch={gone}")
        poll("the autoscaler to go", lambda: not world.exists("hpa", "m", namespace))


def test_a_route_comes_with_an_approved_class_of_record_and_goes_without(world: World) -> None:
    with world.governed(exposure={"gatewayClasses": ["internal", "other"], "domains": ["example.my"]}) as (
        _,
        namespace,
    ):
        exposure = {"gateway": "edge", "hostnames": ["m.example.my"]}
        world.admin.apply([ascend_model(namespace, 1, exposure=exposure)])
        world.wait_reason("sovereignmodel", "m", "Exposed", "GatewayNotFound", namespace)
        world.admin.apply([gateway(namespace)])
        route = world.made("httproute", "m", namespace)
        assert "namespace" not in route["spec"]["parentRefs"][0]
        world.wait_reason("sovereignmodel", "m", "Exposed", "RoutePending", namespace)
        accept(world, "m", namespace)
        world.wait_condition("sovereignmodel", "m", "Exposed", "True", namespace)
        assert (
            world.get("sovereignmodel", "m", namespace=namespace)["status"]["externalUrl"] == "http://m.example.my/v1"
        )
        # The policy approves this class too, but the zone doesn't have it on record.
        world.admin.apply([gateway(namespace, "other")])
        told = world.wait_reason("sovereignmodel", "m", "Exposed", "GatewayClassNotInZone", namespace)
        assert told["message"].endswith('has the class "other"; zone cyberjaya-1 has internal on record.')
        poll("the route to go", lambda: not world.exists("httproute", "m", namespace))
        assert "externalUrl" not in world.get("sovereignmodel", "m", namespace=namespace)["status"]


def test_a_pool_stands_behind_the_route_where_a_picker_is_named(world: World) -> None:
    with world.namespace(exposure={"gatewayClasses": ["internal"]}) as namespace:
        exposure = {"gateway": "edge", "endpointPicker": {"service": "picker"}}
        world.admin.apply([gateway(namespace), ascend_model(namespace, 1, exposure=exposure)])
        route = world.made("httproute", "m", namespace)
        assert route["spec"]["rules"][0]["backendRefs"][0]["kind"] == "InferencePool"
        pool = world.made("inferencepool", "m", namespace)
        assert pool["spec"]["endpointPickerRef"]["name"] == "picker"
        gone = json.dumps([{"op": "remove", "path": "/spec/exposure"}])
        world.admin.run("patch", "sovereignmodel", "m", "-n", namespace, "--type=json", f"--patch={gone}")
        poll("both to go", lambda: not any(world.exists(k, "m", namespace) for k in ("httproute", "inferencepool")))


def test_a_prometheus_that_policies_let_in_finds_the_pods(world: World) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    with world.namespace(monitoring={"allow": [peer]}) as namespace:
        world.admin.apply([ascend_model(namespace, 1)])
        assert world.made("podmonitor", "m", namespace)["spec"]["podTargetLabels"] == ["daulat.dev/model"]
        (_, rule) = world.made("networkpolicy", "m", namespace)["spec"]["ingress"]
        assert rule == {"from": [peer], "ports": [{"protocol": "TCP", "port": 8000}]}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"autoscaling": {**SCALED, "minReplicas": 4}}, "minReplicas is at most maxReplicas"),
        ({"autoscaling": {**SCALED, "metric": "CacheUsage", "target": 101}}, "at most 100"),
        ({"autoscaling": {**SCALED, "metricName": 'x"} or up'}}, "spec.autoscaling.metricName"),
        ({"autoscaling": {**SCALED, "prometheus": "http://169.254.169.254"}}, "spec.autoscaling.prometheus"),
        ({"exposure": {"gateway": "edge", "namespace": "other"}}, "spec.exposure.namespace"),
        ({"exposure": {"gateway": "edge", "endpointPicker": {"service": "a.b.svc"}}}, "endpointPicker.service"),
        ({"exposure": {"gateway": "edge", "hostnames": ["bank.example.org"]}}, "USE-09 spec.exposure.hostnames"),
        ({"priorityClassName": "system-node-critical"}, "spec.priorityClassName: classes that start with system-"),
    ],
)
def test_what_would_lead_out_of_the_policy_is_refused_at_once(world: World, spec: dict[str, Any], words: str) -> None:
    with world.namespace(exposure={"gatewayClasses": ["internal"], "domains": ["example.my"]}) as namespace:
        tenant = world.make_admin(unique("tenant"), namespace)
        assert words in world.refusal(model_manifest("m", namespace, **spec), "--validate=strict", kubectl=tenant)


def test_one_replica_on_a_volume_of_one_node_cant_become_two_by_an_autoscaler(world: World) -> None:
    cache = {"storageClassName": "encrypted-cyberjaya", "size": "1Gi", "accessMode": "ReadWriteOnce"}
    with world.namespace() as namespace:
        manifest = ascend_model(namespace, 1, autoscaling=SCALED)
        manifest["spec"]["model"]["fetch"] = {"cache": cache}
        assert "ReadWriteOnce is for one replica" in world.refusal(manifest)


def test_the_example_of_autoscaling_scales(world: World, metrics: MetricsServer) -> None:
    with world.namespace() as namespace:
        (model,) = read("autoscaling.yaml")
        model["metadata"]["namespace"] = namespace
        metrics.set_pods(namespace, WAITING, total=1)
        world.admin.apply([model])
        world.wait_condition("sovereignmodel", "deepseek-scaled", "Autoscaled", "True", namespace)


def test_the_example_of_going_to_zero_is_what_keda_takes(world: World) -> None:
    try:
        world.admin.apply(read("scale-to-zero.yaml"))
        made = world.made("scaledobject", "qwen3-now-and-then", "evenings")["spec"]
        assert 'route="qwen3-now-and-then"' in made["triggers"][1]["metadata"]["query"]
        # KEDA's own process isn't here: what it does to a model that nobody asks for is done for it.
        world.wait_condition("sovereignmodel", "qwen3-now-and-then", "Ready", "True", "evenings")
        poll("it to be let to zero", lambda: minimum(world) == 0)
        world.admin.run("scale", "sovereignmodel", "qwen3-now-and-then", "--replicas=0", "-n", "evenings")
        poll("its pods to go", lambda: not world.pods("evenings"))
        world.wait_reason("sovereignmodel", "qwen3-now-and-then", "WorkloadReady", "ScaledToZero", "evenings")
    finally:
        world.remove("evenings", "evenings")


def minimum(world: World) -> int:
    return int(world.get("scaledobject", "qwen3-now-and-then", namespace="evenings")["spec"]["minReplicaCount"])


def test_the_example_of_a_model_that_is_exposed_gets_its_address(world: World) -> None:
    try:
        world.admin.apply(read("exposed.yaml"))
        accept(world, "qwen3", "citizens")
        world.wait_condition("sovereignmodel", "qwen3", "Exposed", "True", "citizens")
        found = world.get("sovereignmodel", "qwen3", namespace="citizens")["status"]
        assert found["externalUrl"] == "https://qwen3.example.my/v1"
        assert world.exists("inferencepool", "qwen3", "citizens")
        labels = world.get("deployment", "qwen3", namespace="citizens")["metadata"]["labels"]
        assert labels["kueue.x-k8s.io/queue-name"] == "inference"
    finally:
        world.remove("citizens", "citizens")


def test_a_model_goes_on_when_kinds_of_other_projects_vanish(world: World) -> None:
    """The last test of this file: it uninstalls them. The operator learns of it at its next full list, which a start is."""
    options = {"exposure": {"gatewayClasses": ["internal"]}, "monitoring": {"prometheus": PROMETHEUS}}
    with world.namespace(**options) as namespace:
        asked = {"exposure": {"gateway": "edge"}, "autoscaling": {**SCALED, "minReplicas": 0}}
        world.admin.apply([gateway(namespace), ascend_model(namespace, 1, **asked)])
        world.made("scaledobject", "m", namespace)
        world.made("httproute", "m", namespace)
        pods = {p["metadata"]["uid"] for p in world.pods(namespace)}
        kinds = ("scaledobjects.keda.sh", "httproutes.gateway.networking.k8s.io", "podmonitors.monitoring.coreos.com")
        world.admin.run("delete", "crd", *kinds)
        world.operator.stop()
        world.operator.start()
        world.made("hpa", "m", namespace)
        told = world.wait_reason("sovereignmodel", "m", "Autoscaled", "ScaleToZeroUnavailable", namespace)
        assert "that requires KEDA" in told["message"]
        world.wait_reason("sovereignmodel", "m", "Exposed", "CRDNotInstalled", namespace)
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        assert {p["metadata"]["uid"] for p in world.pods(namespace)} == pods
