"""What tests may rely on in the embedded control plane: autoscaling by a metric, and devices that the scheduler allocates."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dev.cluster import ClusterError
from dev.cluster.addons.metrics import MetricsServer
from dev.deployment import poll

from .racks import Racks, raise_racks, ready, unschedulable
from .world import IMAGE, Manifest, pod_manifest, unique

DRIVER = "gpu.example.my"
NODE = "rack-a-1"


@pytest.fixture(scope="module")
def racks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Racks]:
    """A cluster with no add-on."""
    raised = raise_racks(tmp_path_factory.mktemp("racks"))
    yield raised
    raised.cluster.down()


@pytest.fixture
def namespace(racks: Racks) -> Iterator[str]:
    """A namespace of the test's own."""
    with racks.namespace() as name:
        yield name


@pytest.fixture(scope="module")
def metrics(racks: Racks) -> Iterator[MetricsServer]:
    """Metrics that tests set."""
    with MetricsServer(racks.cluster) as served:
        yield served


def deployment_manifest(name: str, namespace: str) -> Manifest:
    """Return a Deployment of one pod."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": IMAGE}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def autoscaler_manifest(name: str, namespace: str, metric: Manifest) -> Manifest:
    """Return an autoscaler of a Deployment of the same name, from one to five pods."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5, "metrics": [metric]},
    }


def of_pods(metric: str, average: str) -> Manifest:
    """Return a metric that every pod has."""
    target = {"type": "AverageValue", "averageValue": average}
    return {"type": "Pods", "pods": {"metric": {"name": metric}, "target": target}}


def wait_replicas(racks: Racks, name: str, namespace: str, count: int) -> None:
    """Wait until a Deployment has so many ready pods."""
    path = ("get", "deployment", name, "-n", namespace, "-o", "jsonpath={.status.readyReplicas} {.spec.replicas}")
    poll(f"{name} to have {count} pods", lambda: racks.admin.run(*path) == f"{count} {count}")


def test_an_autoscaler_follows_a_metric_of_its_pods(racks: Racks, namespace: str, metrics: MetricsServer) -> None:
    """Up to where each pod has its share of the load, never above the maximum, and down again."""
    metrics.set_pods(namespace, "waiting_requests", total=8)
    metric = of_pods("waiting_requests", "10")
    racks.admin.apply([deployment_manifest("web", namespace), autoscaler_manifest("web", namespace, metric)])
    wait_replicas(racks, "web", namespace, 1)
    for load, pods in ((30, 3), (500, 5), (18, 2)):
        metrics.set_pods(namespace, "waiting_requests", total=load)
        wait_replicas(racks, "web", namespace, pods)


def test_an_autoscaler_follows_a_metric_of_an_object(racks: Racks, namespace: str, metrics: MetricsServer) -> None:
    """Here of a Service, in another group's place it may be a kind of anybody's."""
    described = {"apiVersion": "v1", "kind": "Service", "name": "web"}
    target = {"type": "Value", "value": "10"}
    metric = {"type": "Object", "object": {"metric": {"name": "rate"}, "describedObject": described, "target": target}}
    metrics.set_object(namespace, "services", "web", "rate", 20)
    racks.admin.apply([deployment_manifest("web", namespace), autoscaler_manifest("web", namespace, metric)])
    poll("the autoscaler to ask for more", lambda: wanted(racks, namespace) >= 2)


def test_an_autoscaler_follows_a_metric_of_no_object(racks: Racks, namespace: str, metrics: MetricsServer) -> None:
    """As KEDA serves the length of a queue."""
    selector = {"matchLabels": {"scaledobject.keda.sh/name": "web"}}
    target = {"type": "AverageValue", "averageValue": "5"}
    metric = {"type": "External", "external": {"metric": {"name": "s0-queue", "selector": selector}, "target": target}}
    metrics.set_external(namespace, "s0-queue", 20)
    racks.admin.apply([deployment_manifest("web", namespace), autoscaler_manifest("web", namespace, metric)])
    wait_replicas(racks, "web", namespace, 4)


def test_an_autoscaler_whose_metric_nobody_set_says_so(racks: Racks, namespace: str, metrics: MetricsServer) -> None:
    """And leaves the pods as they are."""
    metric = of_pods("never_set", "10")
    racks.admin.apply([deployment_manifest("web", namespace), autoscaler_manifest("web", namespace, metric)])
    path = 'jsonpath={.status.conditions[?(@.type=="ScalingActive")].reason}'
    asked = ("get", "hpa", "web", "-n", namespace, "-o", path)
    poll("the autoscaler to give the reason", lambda: racks.admin.run(*asked) == "FailedGetPodsMetric")
    wait_replicas(racks, "web", namespace, 1)


def wanted(racks: Racks, namespace: str) -> int:
    """Return how many pods the autoscaler asked for last."""
    return int(racks.objects("hpa", namespace)["web"].get("status", {}).get("desiredReplicas", 0))


@pytest.fixture(scope="module")
def devices(racks: Racks) -> str:
    """A class of devices that also stands for an extended resource, and two of them on one node; returns the class."""
    name = unique("gpu")
    expression = f'device.driver == "{DRIVER}"'
    classes = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {"selectors": [{"cel": {"expression": expression}}], "extendedResourceName": f"example.my/{name}"},
    }
    found = [
        {
            "name": f"gpu-{number}",
            "attributes": {"model": {"string": model}},
            "capacity": {"memory": {"value": "96Gi"}},
        }
        for number, model in enumerate(("H20", "H200"))
    ]
    pool = {"name": NODE, "generation": 1, "resourceSliceCount": 1}
    slices = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": f"{NODE}-{name}"},
        "spec": {"driver": DRIVER, "nodeName": NODE, "pool": pool, "devices": found},
    }
    racks.admin.apply([classes, slices])
    return name


def claiming(namespace: str, devices: str, name: str, model: str) -> list[Manifest]:
    """Return a pod that claims one device of a model by a template, and the template."""
    selector = {"cel": {"expression": f'device.attributes["{DRIVER}"].model == "{model}"'}}
    request = {"name": "gpu", "exactly": {"deviceClassName": devices, "selectors": [selector]}}
    template = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"spec": {"devices": {"requests": [request]}}},
    }
    container = {"name": "main", "image": IMAGE, "resources": {"claims": [{"name": "gpu"}]}}
    claims = [{"name": "gpu", "resourceClaimTemplateName": name}]
    return [template, pod_manifest(name, namespace, containers=[container], resourceClaims=claims)]


def allocated(racks: Racks, namespace: str) -> list[str]:
    """Return the devices that all claims of a namespace hold."""
    claims = racks.objects("resourceclaims", namespace).values()
    results = [c.get("status", {}).get("allocation", {}).get("devices", {}).get("results", []) for c in claims]
    return sorted(result["device"] for held in results for result in held)


def test_a_pod_gets_the_device_that_its_template_describes(racks: Racks, namespace: str, devices: str) -> None:
    """The controller makes the claim, the scheduler allocates the device and goes where it is."""
    racks.admin.apply(claiming(namespace, devices, "first", "H200"))
    poll("the pod to be Ready", lambda: ready(racks.objects("pods", namespace)["first"]))
    pod = racks.objects("pods", namespace)["first"]
    assert pod["spec"]["nodeName"] == NODE
    (claim,) = racks.objects("resourceclaims", namespace).values()
    assert pod["status"]["resourceClaimStatuses"] == [{"name": "gpu", "resourceClaimName": claim["metadata"]["name"]}]
    (result,) = claim["status"]["allocation"]["devices"]["results"]
    assert (result["driver"], result["pool"], result["device"]) == (DRIVER, NODE, "gpu-1")
    assert [user["name"] for user in claim["status"]["reservedFor"]] == ["first"]


def test_a_device_is_given_to_one_claim_at_a_time(racks: Racks, namespace: str, devices: str) -> None:
    """The second pod waits until the first is gone."""
    racks.admin.apply(claiming(namespace, devices, "first", "H20"))
    poll("the first pod to be Ready", lambda: ready(racks.objects("pods", namespace)["first"]))
    racks.admin.apply(claiming(namespace, devices, "second", "H20"))
    poll("the second pod to wait", lambda: unschedulable(racks.objects("pods", namespace)["second"]))
    racks.admin.run("delete", "pod", "first", "-n", namespace)
    poll("the second pod to be Ready", lambda: ready(racks.objects("pods", namespace)["second"]))
    assert allocated(racks, namespace) == ["gpu-0"]


def test_a_request_for_an_extended_resource_is_served_by_a_claim(racks: Racks, namespace: str, devices: str) -> None:
    """DRAExtendedResource is on: a pod that names no claim gets one all the same."""
    limits = {"limits": {f"example.my/{devices}": "2"}}
    container = {"name": "main", "image": IMAGE, "resources": limits}
    racks.admin.apply([pod_manifest("plain", namespace, containers=[container])])
    poll("the pod to be Ready", lambda: ready(racks.objects("pods", namespace)["plain"]))
    assert racks.objects("pods", namespace)["plain"]["spec"]["nodeName"] == NODE
    assert allocated(racks, namespace) == ["gpu-0", "gpu-1"]


def test_a_pod_is_evicted_from_a_device_that_is_tainted(racks: Racks, namespace: str, devices: str) -> None:
    """DRADeviceTaints is on, and a rule taints a device without its driver."""
    racks.admin.apply(claiming(namespace, devices, "first", "H20"))
    poll("the pod to be Ready", lambda: ready(racks.objects("pods", namespace)["first"]))
    broken = unique("broken")
    rule = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceTaintRule",
        "metadata": {"name": broken},
        "spec": {
            "deviceSelector": {"driver": DRIVER, "pool": NODE, "device": "gpu-0"},
            "taint": {"key": "example.my/broken", "effect": "NoExecute"},
        },
    }
    racks.admin.apply([rule])
    try:
        poll("the pod to be evicted", lambda: "first" not in racks.objects("pods", namespace))
    finally:
        racks.admin.run("delete", "devicetaintrule", broken)


def test_a_volume_may_be_an_image(racks: Racks, namespace: str) -> None:
    """ImageVolume is on: the API server keeps the field that it would drop otherwise."""
    volume = {"name": "weights", "image": {"reference": IMAGE, "pullPolicy": "IfNotPresent"}}
    mount = [{"name": "weights", "mountPath": "/weights"}]
    container = {"name": "main", "image": IMAGE, "volumeMounts": mount}
    racks.admin.apply([pod_manifest("reader", namespace, containers=[container], volumes=[volume])])
    poll("the pod to be Ready", lambda: ready(racks.objects("pods", namespace)["reader"]))
    kept = racks.objects("pods", namespace)["reader"]["spec"]["volumes"]
    assert volume in kept


def test_groups_of_pods_are_not_scheduled_together_by_default(racks: Racks) -> None:
    """GenericWorkload is a beta that is off: who relies on gangs must not find out by a pod that starts alone."""
    with pytest.raises(ClusterError, match="the server could not find the requested resource"):
        racks.admin.run("get", "--raw", "/apis/scheduling.k8s.io/v1beta1")
    features = racks.admin.run("get", "--raw", "/metrics")
    assert 'kubernetes_feature_enabled{name="GenericWorkload",stage="BETA"} 0' in features
    assert json.loads(racks.admin.run("get", "--raw", "/apis/scheduling.k8s.io/v1"))["resources"]
