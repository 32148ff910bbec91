"""Where models and other people's pods land, what they are told, and what is unknown about nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from dev.deployment import ROOT, poll

from .world import (
    IMAGE,
    World,
    admission,
    model_manifest,
    namespace_manifest,
    node_manifest,
    pod_manifest,
    policy_manifest,
    unique,
    zone_manifest,
)

PREFIX = "daulat.node-restriction.kubernetes.io/"


def _events(world: World, name: str, namespace: str) -> str:
    return world.admin.run("describe", "sovereignmodel", name, "-n", namespace).partition("Events:")[2]


def _large(name: str, namespace: str, count: int, replicas: int) -> dict[str, Any]:
    manifest = model_manifest(name, namespace, replicas=replicas)
    for choice in manifest["spec"]["accelerators"]:
        choice["count"] = count
    return manifest


def test_a_model_lands_on_domestic_ascend_and_says_where_and_why_not_elsewhere(world: World) -> None:
    with world.governed() as (policy, namespace):
        world.admin.apply([model_manifest("m", namespace, replicas=2)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        pods = world.pods(namespace)
        assert len(pods) == 2
        for pod in pods:
            assert pod["spec"]["nodeName"] in ("ascend-1", "ascend-2")
            assert pod["spec"]["nodeSelector"][PREFIX + policy] == "eligible"
            assert pod["spec"]["nodeSelector"][PREFIX + "zone"] == "cyberjaya-1"
        status = world.get("sovereignmodel", "m", namespace=namespace)["status"]
        placement = status["placement"]
        assert (placement["zone"], placement["accelerator"]) == ("cyberjaya-1", "huawei-ascend-910b")
        rejected = {node: group["reason"] for group in placement["rejected"] for node in group["sample"]}
        assert rejected["sg-ascend-1"] == "zone singapore-1 is in SG, outside MY"
        assert rejected["hosted-1"].startswith("zone johor-hosted is operated from SG")
        assert rejected["lab-1"] == "has the accelerator amd.com/gpu, which no approved profile names"
        assert rejected["stray-1"] == "stands in no zone of record"
        assert sum(group["count"] for group in placement["rejected"]) + len(placement["nodes"]) <= 12
        assert status["url"] == f"http://m.{namespace}.svc/v1"
        # The scenario gives it fewer devices than its weights need, so that several fit on a node.
        assert "SizingAdvice" in _events(world, "m", namespace)


def _known(name: str, namespace: str, of: str, **engine: Any) -> dict[str, Any]:
    """Return a model of the catalogue that leaves its devices to Daulat."""
    manifest: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "qwen3-32b.yaml").read_text())
    manifest["metadata"] = {"name": name, "namespace": namespace}
    manifest["spec"]["engine"].update(engine)
    manifest["spec"]["model"]["name"] = of
    if of != "qwen3-32b":
        del manifest["spec"]["model"]["precision"]
    return manifest


def test_a_model_of_the_catalogue_gets_the_devices_that_it_needs(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.apply([_known("m", namespace, "qwen3-32b")])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        sizing = world.get("sovereignmodel", "m", namespace=namespace)["status"]["sizing"]
        assert (sizing["devices"], sizing["precision"], sizing["concurrency"]) == (2, "BF16", 4)
        assert sizing["account"][0] == "weights: 61.0 GiB; 32.8 billion parameters in BF16"
        (pod,) = world.pods(namespace)
        (engine,) = pod["spec"]["containers"]
        assert engine["resources"]["limits"] == {"huawei.com/Ascend910": "2"}
        assert {"--tensor-parallel-size=2", "--max-model-len=32768", "--max-num-seqs=4"} <= set(engine["args"])


def test_a_model_that_fits_nowhere_is_told_with_the_numbers(world: World) -> None:
    with world.namespace() as namespace:
        large = _known("m", namespace, "deepseek-r1", concurrency=1)
        for choice in large["spec"]["accelerators"]:
            choice["nodes"] = 1
        world.admin.apply([large])
        told = world.wait_condition("sovereignmodel", "m", "Placed", "False", namespace)
        assert told["reason"] == "DoesNotFit"
        assert "deepseek-r1 needs 171.6 GiB on each of 8 devices of huawei-ascend-910b (1249.8 GiB" in told["message"]
        assert "deepseek-r1 needs 88.0 GiB on each of 8 devices of nvidia-h20 (624.9 GiB" in told["message"]
        assert world.pods(namespace) == []


def test_a_model_of_the_catalogue_gets_the_nodes_that_it_needs(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.apply([_known("m", namespace, "deepseek-r1", concurrency=1)])
        # The demo has four Ascend nodes' worth of devices nowhere, and two nodes of H20.
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        status = world.get("sovereignmodel", "m", namespace=namespace)["status"]
        assert (status["placement"]["accelerator"], status["sizing"]["devices"], status["sizing"]["nodes"]) == (
            "nvidia-h20",
            16,
            2,
        )
        assert len({p["spec"]["nodeName"] for p in world.pods(namespace)}) == 2


def test_kubectl_scale_changes_the_number_of_replicas(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.apply([model_manifest("m", namespace)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        world.admin.run("scale", "sovereignmodel", "m", "--replicas=3", "-n", namespace)
        poll(
            "three ready replicas",
            lambda: world.get("sovereignmodel", "m", namespace=namespace)["status"].get("readyReplicas") == 3,
        )
        world.admin.run("scale", "sovereignmodel", "m", "--replicas=0", "-n", namespace)
        poll("no pod", lambda: not world.pods(namespace))
        assert world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)["reason"]


def test_a_second_model_falls_back_to_nvidia_while_ascend_is_full(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.apply([_large("first", namespace, 8, 2)])
        world.wait_condition("sovereignmodel", "first", "Ready", "True", namespace)
        world.admin.apply([_large("second", namespace, 8, 1)])
        world.wait_condition("sovereignmodel", "second", "Ready", "True", namespace)
        placement = world.get("sovereignmodel", "second", namespace=namespace)["status"]["placement"]
        assert placement["accelerator"] == "nvidia-h20"
        assert any(
            "huawei-ascend-910b" in g["reason"] and "room for 0 of 1" in g["reason"] for g in placement["rejected"]
        )
        nodes = {p["metadata"]["labels"]["daulat.dev/model"]: p["spec"]["nodeName"] for p in world.pods(namespace)}
        assert nodes["first"].startswith("ascend-")
        assert nodes["second"].startswith("h20-")
        resources = world.get("deployment", "second", namespace=namespace)["spec"]["template"]["spec"]["containers"][0]
        assert resources["resources"]["limits"] == {"nvidia.com/gpu": "8"}
        world.admin.apply([_large("third", namespace, 8, 2)])
        placed = world.wait_condition("sovereignmodel", "third", "Placed", "False", namespace)
        assert placed["reason"] == "InsufficientDevices"
        # What was full has room again: the model that waited gets it by itself.
        world.admin.run("delete", "sovereignmodel", "first", "-n", namespace)
        world.wait_condition("sovereignmodel", "third", "Ready", "True", namespace)


def test_a_model_where_no_policy_governs_gets_no_pod_and_is_told_why(world: World) -> None:
    namespace = unique("free")
    world.admin.apply([namespace_manifest(namespace), model_manifest("m", namespace)])
    told = world.wait_condition("sovereignmodel", "m", "PolicyCompliant", "False", namespace)
    assert told["reason"] == "NotGoverned"
    assert "no policy governs namespace" in told["message"]
    poll("an Event", lambda: "NotGoverned" in _events(world, "m", namespace))
    assert not world.exists("deployment", "m", namespace)
    assert not world.pods(namespace)
    # A policy that comes later takes it up.
    policy = unique("late")
    world.admin.apply(
        [policy_manifest(policy, namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": namespace}})]
    )
    world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
    # Where the policy is deleted that decides nothing: what runs goes on, and the model says why.
    world.admin.run("delete", "sovereigntypolicy", policy)
    told = world.wait_condition("sovereignmodel", "m", "PolicyCompliant", "False", namespace)
    assert told["reason"] == "NotGoverned"
    assert world.pods(namespace)
    world.remove(namespace)


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_of_other_controllers_are_pinned_and_land_on_an_eligible_node(world: World, kind: str) -> None:
    with world.governed() as (policy, namespace):
        spec = {"containers": [{"name": "main", "image": IMAGE, "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
        template: dict[str, Any] = {"metadata": {"labels": {"app": "x"}}, "spec": spec}
        if kind == "Job":
            template["spec"]["restartPolicy"] = "Never"
            manifest = {"apiVersion": "batch/v1", "kind": kind, "spec": {"template": template}}
        else:
            body = {"selector": {"matchLabels": {"app": "x"}}, "template": template}
            manifest = {"apiVersion": "apps/v1", "kind": kind, "spec": body}
        world.admin.apply([{**manifest, "metadata": {"name": "x", "namespace": namespace}}])
        poll("a pod on a node", lambda: any(p["spec"].get("nodeName") for p in world.pods(namespace)))
        (pod,) = world.pods(namespace)
        assert pod["spec"]["nodeSelector"] == {PREFIX + policy: "eligible"}
        # h20 in cyberjaya-1 alone: five other nodes have the same resource.
        assert pod["spec"]["nodeName"] in ("h20-1", "h20-2")


def test_the_template_of_a_controller_is_not_changed_by_the_pin(world: World) -> None:
    with world.namespace() as namespace:
        world.admin.run("create", "deployment", "x", f"--image={IMAGE}", "-n", namespace)
        poll("a pod", lambda: bool(world.pods(namespace)))
        template = world.get("deployment", "x", namespace=namespace)["spec"]["template"]["spec"]
        assert "nodeSelector" not in template
        assert "nodeSelector" in world.pods(namespace)[0]["spec"]


@pytest.fixture(scope="module")
def policy(world: World) -> Iterator[str]:
    """A policy for the tests of nodes, which don't change it."""
    with world.governed() as (name, _):
        yield name


@pytest.fixture
def nodes(world: World) -> Iterator[list[str]]:
    """Names of nodes that a test adds; they are gone after it."""
    names: list[str] = []
    yield names
    world.admin.run("delete", "nodes", *names, "--ignore-not-found")


def _add(world: World, nodes: list[str], site: str = "", region: str = "") -> str:
    name = unique("extra")
    nodes.append(name)
    manifest = node_manifest(name, site, region)
    world.admin.apply([manifest])
    world.admin.apply([manifest], "--subresource=status")
    return name


def _taints(world: World, node: str) -> list[str]:
    found = world.get("node", node)
    return [taint["key"] for taint in found["spec"].get("taints") or () if taint["key"].startswith("daulat.dev/")]


def _certified(world: World, zone: str) -> str:
    conditions = (world.get("sovereignzone", zone).get("status") or {}).get("conditions") or ()
    return next((c["message"] for c in conditions if c["type"] == "Certified"), "")


def _labels(world: World, node: str) -> dict[str, str]:
    labels: dict[str, str] = world.get("node", node)["metadata"]["labels"]
    return {k.removeprefix(PREFIX): v for k, v in labels.items() if k.startswith(PREFIX)}


def _wait_zone(world: World, node: str, zone: str | None) -> None:
    poll(f"zone {zone} on {node}", lambda: _labels(world, node).get("zone") == zone)


def test_a_node_without_a_site_is_never_eligible_and_becomes_so_once_somebody_vouches(
    world: World, policy: str, nodes: list[str]
) -> None:
    stranger, vouched = _add(world, nodes, region="my-central"), _add(world, nodes, site="cyberjaya-1")
    _wait_zone(world, vouched, "cyberjaya-1")
    poll("the vouched node to be eligible", lambda: _labels(world, vouched).get(policy) == "eligible")
    # The stranger was added first, so it has been judged by now.
    assert _labels(world, stranger) == {}
    world.admin.run("label", "node", stranger, f"{PREFIX}site=cyberjaya-1")
    poll("the stranger to be eligible", lambda: _labels(world, stranger).get(policy) == "eligible")
    world.admin.run("label", "node", stranger, f"{PREFIX}site-")
    poll("the stranger to be nothing again", lambda: _labels(world, stranger) == {})


def test_a_node_that_two_zones_claim_is_eligible_for_nobody_until_one_lets_go(
    world: World, policy: str, nodes: list[str]
) -> None:
    first, second = unique("zone"), unique("zone")
    site = {"matchLabels": {f"{PREFIX}site": first}}
    world.admin.apply([zone_manifest(first)])
    node = _add(world, nodes, site=first)
    poll("the node to be eligible", lambda: _labels(world, node).get(policy) == "eligible")
    world.admin.apply([zone_manifest(second, nodeSelector=site)])
    poll("the node to lose its labels", lambda: _labels(world, node) == {"site": first})
    for zone in (first, second):
        told = world.wait_condition("sovereignzone", zone, "Certified", "False")
        assert told["reason"] == "NodesInConflict"
        assert f"{node} is claimed by zones" in told["message"]
    world.admin.run("delete", "sovereignzone", second)
    poll("the node to be eligible again", lambda: _labels(world, node).get(policy) == "eligible")
    world.wait_condition("sovereignzone", first, "Certified", "True")
    # A zone that is deleted decides nothing: the node keeps what it has, and takes nothing new.
    world.admin.run("delete", "sovereignzone", first)
    poll("the node to be tainted", lambda: "daulat.dev/undecided" in _taints(world, node))
    assert _labels(world, node).get(policy) == "eligible"
    # Whoever may certify decides it: a node without a zone of record stands in none.
    world.admin.run("label", "node", node, f"{PREFIX}zone-")
    poll("the node to be in no zone", lambda: _labels(world, node) == {"site": first})
    poll("the taint to go", lambda: not _taints(world, node))


def test_a_node_whose_region_contradicts_the_record_is_not_eligible(
    world: World, policy: str, nodes: list[str]
) -> None:
    zone = unique("zone")
    world.admin.apply([zone_manifest(zone, regions=["my-central"])])
    good, bad = _add(world, nodes, zone, "my-central"), _add(world, nodes, zone, "sg")
    poll("the good node to be eligible", lambda: _labels(world, good).get(policy) == "eligible")
    said = f"{bad} contradicts zone {zone}: its region is sg"
    poll("the zone to say so", lambda: said in _certified(world, zone))
    assert _labels(world, bad) == {"site": zone}
    world.admin.run("label", "node", bad, "topology.kubernetes.io/region=my-central", "--overwrite")
    poll("the other node to be eligible", lambda: _labels(world, bad).get(policy) == "eligible")
    world.admin.run("delete", "sovereignzone", zone)


def test_a_device_that_nobody_approved_makes_a_node_ineligible(world: World, policy: str, nodes: list[str]) -> None:
    node = _add(world, nodes, site="cyberjaya-1")
    poll("the node to be eligible", lambda: _labels(world, node).get(policy) == "eligible")
    patch = '{"status": {"capacity": {"example.com/npu": "1"}, "allocatable": {"example.com/npu": "1"}}}'
    world.admin.run("patch", "node", node, "--subresource=status", "--type=merge", f"--patch={patch}")
    poll("the node to lose its label", lambda: policy not in _labels(world, node))
    assert _labels(world, node)["zone"] == "cyberjaya-1"


def test_the_label_of_a_deleted_policy_stays_while_a_pod_is_pinned_to_it(world: World) -> None:
    other, other_namespace = world.govern()
    policy, namespace = world.govern()
    world.admin.apply([pod_manifest("p", namespace)])
    poll("the pod on a node", lambda: bool(world.get("pod", "p", namespace=namespace)["spec"].get("nodeName")))
    node = world.get("pod", "p", namespace=namespace)["spec"]["nodeName"]
    world.admin.run("delete", "sovereigntypolicy", policy)
    kinds = [f"{verb}admissionpolic{end}" for verb in admission() for end in ("ies", "ybindings")]

    def left(name: str) -> str:
        return "".join(world.admin.run("get", k, "-l", f"daulat.dev/policy={name}", "-o", "name") for k in kinds)

    poll("what was compiled to go", lambda: not left(policy))
    assert left(other)
    assert world.condition("sovereigntypolicy", other, "Enforced")["status"] == "True"
    # The kubelet would end the pod at its next restart if the label went.
    world.admin.run("annotate", "node", node, f"test.daulat.dev/{policy}=touched")
    assert _labels(world, node).get(policy) == "eligible"
    assert _labels(world, node).get(other) == "eligible"
    world.admin.run("delete", "pod", "p", "-n", namespace)
    poll("the label to go", lambda: policy not in _labels(world, node))
    assert _labels(world, node).get(other) == "eligible"
    world.remove(namespace)
    world.remove(other_namespace, other)
