"""MindCluster 26.1 and Volcano on the versions of Kubernetes that MindCluster names: what docs/how-to/ascend.md says holds.

Volcano's scheduler doesn't run here, and nodes have no kubelet: what these components write is written under their own names, with
their rights.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from daulat.catalog import accelerators
from daulat.catalog.kubernetes import Minor, Pin
from dev.cluster import ClusterError
from dev.deployment import poll
from tests.e2e.world import IMAGE, Manifest, World, lower, model_manifest, raise_world, unique

from . import mindcluster
from .mindcluster import DEVICE_PLUGIN, RESOURCE, SCHEDULER, job_pod
from .server import wanted

NAMED = [v for v in wanted() if Minor.of("1.31") <= Minor.of(v) <= Minor.of("1.34")]
DIRECTORY = "DAULAT_MANIFESTS"
SCHEDULERS = ["system:kube-scheduler", SCHEDULER]
PODS_ANNOTATIONS = ("huawei.com/AscendReal=Ascend910-0", "huawei.com/kltDev=Ascend910-0")
"""What the device plugin keeps on each pod that has devices."""


@pytest.fixture(scope="module", params=NAMED)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with Daulat, where MindCluster and Volcano are installed after it."""
    raised = raise_world(
        unique("mind"), tmp_path_factory.mktemp("operator"), say=lambda line: None, kubernetes=request.param
    )
    raised.admin.apply(mindcluster.components())
    yield raised
    if not os.environ.get("DAULAT_KEEP_CLUSTER"):
        lower(raised)


@pytest.fixture(scope="module")
def governed(world: World) -> Iterator[tuple[str, str]]:
    """A policy as docs/how-to/ascend.md has it, and a namespace that it governs."""
    approved = {"profiles": ["huawei-ascend-910b"], "componentUsers": [DEVICE_PLUGIN]}
    with world.governed(accelerators=approved, schedulers=SCHEDULERS) as names:
        yield names


def acting(world: World, user: str, *arguments: str, stdin: str | None = None) -> None:
    """Run kubectl in a component's name. ClusterError where it is refused."""
    world.admin.run(f"--as={user}", *arguments, stdin=stdin)


def bind(world: World, namespace: str, pod: str, node: str) -> None:
    """Do what Volcano does with a pod: write the devices that it chose, and bind it."""
    acting(world, SCHEDULER, "annotate", "pod", pod, "-n", namespace, "--overwrite", f"{RESOURCE}=Ascend910-0")
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": target}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/binding"
    acting(world, SCHEDULER, "create", f"--raw={path}", "-f", "-", stdin=json.dumps(binding))


@pytest.mark.parametrize(
    ("name", "namespace"),
    [("ascend-device-plugin", "kube-system"), ("noded", "mindx-dl"), ("npu-exporter", "npu-exporter")],
)
def test_privileged_components_run_on_every_ascend_node(world: World, name: str, namespace: str) -> None:
    def ready() -> bool:
        return bool(world.get("daemonset", name, namespace=namespace)["status"].get("numberReady") == 3)

    poll(f"{name} to run on all Ascend nodes", ready)


def test_the_device_plugin_writes_what_it_knows_of_a_node_and_nothing_of_record(world: World) -> None:
    labels = {"node.kubernetes.io/npu.chip.name": "910B3", "huawei.com/Ascend910-Recover": ""}
    annotations = {"baseDeviceInfos": "{}", "superPodID": "-1", "serverIndex": "-1"}
    status = ("--subresource=status", "--type=merge", "-p")

    def patch(change: Manifest) -> None:
        acting(world, DEVICE_PLUGIN, "patch", "node", "ascend-1", *status, json.dumps(change))

    patch({"metadata": {"labels": labels, "annotations": annotations}})
    acting(world, mindcluster.NODED, "annotate", "node", "ascend-1", "--overwrite", "product-serial-number=1")
    acting(world, mindcluster.CLUSTERD, "annotate", "node", "ascend-1", "--overwrite", "example.my/fault=none")
    site = "daulat.node-restriction.kubernetes.io/site"
    with pytest.raises(ClusterError, match=r"MGD-02 metadata\.labels"):
        patch({"metadata": {"labels": {site: "singapore-1"}}})
    # The plugin for Ascend 950 takes the resource's old name away when it starts. A zone admin does that beforehand.
    with pytest.raises(ClusterError, match=f'MGD-14 status.capacity\\["{RESOURCE}"\\].*Ask a zone admin'):
        patch({"status": {"capacity": {RESOURCE: None}, "allocatable": {RESOURCE: None}}})


def test_a_model_runs_with_fetched_weights(world: World, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    choices = [a for a in model_manifest("m", namespace)["spec"]["accelerators"] if "huawei" in a["profile"]]
    world.admin.apply([model_manifest("m", namespace, accelerators=choices)])
    world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
    assert world.get("sovereigntypolicy", policy)["status"]["pin"] == Pin.POD_NODE_SELECTOR
    assert world.get("sovereignmodel", "m", namespace=namespace)["status"]["weights"]["method"] == "Fetched"
    (pod,) = [p for p in world.pods(namespace) if p["metadata"]["name"].startswith("m-")]
    volumes = [kind for volume in pod["spec"]["volumes"] for kind in volume]
    assert "image" not in volumes
    assert pod["spec"]["nodeName"] in ("ascend-1", "ascend-2")
    acting(world, DEVICE_PLUGIN, "annotate", "pod", pod["metadata"]["name"], "-n", namespace, *PODS_ANNOTATIONS)
    world.admin.run("delete", "sovereignmodel", "m", "-n", namespace)


def test_volcano_places_a_model_whose_profile_names_it(world: World) -> None:
    """With -volcanoType=true the device plugin serves a part of a node's devices only to pods that Volcano placed."""
    name = unique("by-volcano")
    manifest = next(m for m in accelerators.manifests() if m["metadata"]["name"] == "huawei-ascend-910b")
    selector = {**manifest["spec"]["nodeSelector"], "matchLabels": {"accelerator-type": "module-910b-8"}}
    spec = {**manifest["spec"], "nodeSelector": selector, "schedulerName": "volcano"}
    world.admin.apply([{**manifest, "metadata": {"name": name}, "spec": spec}])
    try:
        with world.governed(accelerators={"profiles": [name]}, schedulers=SCHEDULERS) as (_, namespace):
            choice = {"profile": name, "count": 2, "image": IMAGE}
            world.admin.apply([model_manifest("m", namespace, accelerators=[choice])])
            poll("the model's pod", lambda: bool(world.pods(namespace)))
            (pod,) = world.pods(namespace)
            assert pod["spec"]["schedulerName"] == "volcano"
            # Volcano's plugin finds the topology by it, where a pod has no annotation that says it.
            assert pod["spec"]["nodeSelector"]["accelerator-type"] == "module-910b-8"
            assert "nodeName" not in pod["spec"]
            bind(world, namespace, pod["metadata"]["name"], "ascend-1")
            world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
    finally:
        world.admin.run("delete", "acceleratorprofile", name)


def test_volcano_places_an_ascendjobs_pod(world: World, governed: tuple[str, str]) -> None:
    policy, namespace = governed
    pod = job_pod("job", namespace, runtimeClassName="ascend")
    acting(world, mindcluster.ASCEND_OPERATOR, "create", "-f", "-", stdin=json.dumps(pod))
    bind(world, namespace, "job", "ascend-2")
    acting(world, DEVICE_PLUGIN, "annotate", "pod", "job", "-n", namespace, *PODS_ANNOTATIONS)
    running = lambda: world.get("pod", "job", namespace=namespace)["status"]["phase"] == "Running"  # noqa: E731
    poll("the job to run", running)
    selector = world.get("pod", "job", namespace=namespace)["spec"]["nodeSelector"]
    assert selector[f"daulat.node-restriction.kubernetes.io/{policy}"] == "eligible"
    assert selector["accelerator-type"] == "module-910b-8"
    world.admin.run("delete", "pod", "job", "-n", namespace)


def test_controllers_keep_what_they_need_beside_a_job(world: World, governed: tuple[str, str]) -> None:
    _, namespace = governed
    for user, manifest in mindcluster.job_objects(namespace):
        acting(world, user, "create", "-f", "-", stdin=json.dumps(manifest))


def test_a_policy_that_names_no_component_refuses_what_they_write(world: World) -> None:
    with world.governed(accelerators={"profiles": ["huawei-ascend-910b"]}) as (_, namespace):
        world.admin.apply([job_pod("job", namespace)])
        with pytest.raises(ClusterError, match=r"USE-20 metadata\.annotations.*componentUsers"):
            acting(world, DEVICE_PLUGIN, "annotate", "pod", "job", "-n", namespace, *PODS_ANNOTATIONS)
        with pytest.raises(ClusterError, match=f'USE-20 metadata.annotations.*{SCHEDULER}" set a device annotation'):
            bind(world, namespace, "job", "ascend-1")
        target = {"apiVersion": "v1", "kind": "Node", "name": "ascend-1"}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "job"}, "target": target}
        path = f"/api/v1/namespaces/{namespace}/pods/job/binding"
        with pytest.raises(ClusterError, match=f'USE-15 target.name: user "{SCHEDULER}" bound a pod'):
            acting(world, SCHEDULER, "create", f"--raw={path}", "-f", "-", stdin=json.dumps(binding))


def _mount(name: str, **source: Manifest) -> Manifest:
    return {"volumes": [{"name": name, **source}]}


REFUSED: dict[str, tuple[Manifest, Manifest, str]] = {
    "the driver's folder": (
        {},
        _mount("ascend-driver", hostPath={"path": "/usr/local/Ascend/driver"}),
        'STO-03 spec.volumes["ascend-driver"].hostPath',
    ),
    "the time of the host": ({}, _mount("t", hostPath={"path": "/etc/localtime"}), 'STO-03 spec.volumes["t"].hostPath'),
    "NFS": ({}, _mount("data", nfs={"server": "10.0.0.1", "path": "/data"}), 'STO-03 spec.volumes["data"].nfs'),
    "the host's network": ({}, {"hostNetwork": True}, "USE-18 spec.hostNetwork: true was set"),
    "an image of no registry": ({"image": "ubuntu:22.04"}, {}, 'STO-07 spec.containers["ascend"].image'),
    "devices by number": (
        {"env": [{"name": "ASCEND_VISIBLE_DEVICES", "value": "0-7"}]},
        {},
        'USE-16 spec.containers["ascend"].env["ASCEND_VISIBLE_DEVICES"]',
    ),
    "devices without asking": ({"resources": {}}, {}, 'USE-16 spec.containers["ascend"].env["ASCEND_VISIBLE_DEVICES"]'),
    "another product": (
        {"resources": {"limits": {"huawei.com/Ascend310P": "1"}}, "env": []},
        {},
        'SUP-08 spec.containers[*].resources: "huawei.com/Ascend310P" was requested',
    ),
    "the runtime without asking": (
        {"resources": {}, "env": []},
        {"runtimeClassName": "ascend"},
        'USE-17 spec.runtimeClassName: "ascend" was set without a request for an accelerator',
    ),
}


@pytest.mark.parametrize(("container", "spec", "said"), REFUSED.values(), ids=REFUSED)
def test_what_sample_jobs_have_and_a_policy_refuses(
    world: World, governed: tuple[str, str], container: Manifest, spec: Manifest, said: str
) -> None:
    _, namespace = governed
    assert said in world.refusal(job_pod("job", namespace, container, **spec), "--dry-run=server")


def test_a_pod_that_chooses_its_own_devices_is_refused(world: World, governed: tuple[str, str]) -> None:
    _, namespace = governed
    pod = job_pod("job", namespace)
    pod["metadata"]["annotations"][RESOURCE] = "Ascend910-0"
    assert f'USE-20 metadata.annotations["{RESOURCE}"]' in world.refusal(pod, "--dry-run=server")


def test_mindclusters_own_manifests_are_taken(world: World) -> None:
    folder = os.environ.get(DIRECTORY, "")
    if not folder:
        pytest.skip(f"${DIRECTORY} doesn't name a folder with manifests of other projects")
    files = sorted(Path(folder).glob("Ascend+mind-cluster/component/*/build/*.yaml"))
    assert files
    world.admin.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cluster-system"}}])
    for file in files:
        # The driver for dynamic resource allocation needs a version that serves it.
        manifests = [m for m in yaml.safe_load_all(file.read_text()) if m]
        if not any(m["apiVersion"].startswith("resource.k8s.io/") for m in manifests):
            world.admin.apply(manifests, "--dry-run=server")
