"""Models that get their devices by claims: the real scheduler allocates what drivers publish, and Daulat counts the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from dev.deployment import ROOT, poll

from .world import Manifest, World, model_manifest, node_manifest, unique, zone_manifest

PREFIX = "daulat.node-restriction.kubernetes.io/"
H20, H100 = "NVIDIA H20", "NVIDIA H100 80GB HBM3"


def device_class(driver: str) -> Manifest:
    """Return the DeviceClass that a driver's chart brings."""
    selectors = [{"cel": {"expression": f"device.driver == '{driver}'"}}]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": driver},
        "spec": {"selectors": selectors},
    }


def device(number: int, product: str, **more: Any) -> Manifest:
    """Return a device as NVIDIA's driver publishes it."""
    attributes = {"type": {"string": "gpu"}, "productName": {"string": product}, "uuid": {"string": f"GPU-{number}"}}
    return {"name": f"gpu-{number}", "attributes": attributes, **more}


def resource_slice(node: str, *devices: Manifest, driver: str = "gpu.nvidia.com", **pool: int) -> Manifest:
    """Return a ResourceSlice of a node's own pool."""
    spec = {
        "driver": driver,
        "nodeName": node,
        "pool": {"name": node, "generation": 1, "resourceSliceCount": 1, **pool},
        "devices": list(devices),
    }
    metadata = {"name": f"{node}-{driver}-{pool.get('generation', 1)}"}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": metadata, "spec": spec}


@dataclass
class Place:
    """A zone of its own, with nodes whose devices come from drivers."""

    world: World
    site: str

    @property
    def rules(self) -> Manifest:
        """What a policy says that wants this zone alone."""
        return {"zones": {"names": [self.site]}}

    def node(self, name: str) -> str:
        """Return the name of one of its nodes."""
        return f"{self.site}-{name}"

    def add(self, name: str, *, by_plugin: bool = False) -> str:
        """Add a node: without devices of its own, or with eight Ascend by a device plugin."""
        manifest = node_manifest(self.node(name), self.site)
        if not by_plugin:
            amounts = {"cpu": "64", "memory": "512Gi", "pods": "110"}
            manifest["status"] = {"allocatable": amounts, "capacity": dict(amounts)}
        self.world.admin.apply([manifest])
        self.world.admin.apply([manifest], "--subresource=status")
        return self.node(name)

    def eligible(self, node: str, policy: str) -> bool:
        """Say whether the node carries the policy's label."""
        labels = self.world.get("node", node)["metadata"]["labels"]
        return bool(labels.get(PREFIX + policy) == "eligible")


@pytest.fixture(scope="module")
def place(world: World) -> Iterator[Place]:
    """One node with two H20, one with an H20 and an H100, one with a device that nobody describes, and one with Ascend."""
    here = Place(world, unique("dra"))
    zone = zone_manifest(here.site)
    made = [
        resource_slice(here.node("two"), device(0, H20), device(1, H20)),
        resource_slice(here.node("mixed"), device(0, H20), device(1, H100)),
        resource_slice(here.node("other"), {"name": "gpu-0"}, driver="gpu.example.my"),
    ]
    names = [here.add(name, by_plugin=name == "ascend") for name in ("two", "mixed", "other", "ascend")]
    world.admin.apply([zone, device_class("gpu.nvidia.com"), *made])
    poll(
        "the nodes to be ready",
        lambda: all(
            any(c["type"] == "Ready" and c["status"] == "True" for c in world.get("node", n)["status"]["conditions"])
            for n in names
        ),
    )
    yield here
    world.admin.run("delete", "resourceslice", *(m["metadata"]["name"] for m in made), "--ignore-not-found")
    world.admin.run("delete", "node", *names)
    world.admin.run("delete", "sovereignzone", here.site)


def by_claims(name: str, namespace: str, count: int, *others: Manifest, **spec: Any) -> Manifest:
    """Return a model that asks for H20 by claims, and for others after it."""
    manifest = model_manifest(name, namespace, **spec)
    image = next(a["image"] for a in manifest["spec"]["accelerators"] if a["profile"] == "nvidia-h20")
    first = {"profile": "nvidia-h20", "count": count, "image": image, "claims": "DynamicResourceAllocation"}
    manifest["spec"]["accelerators"] = [first, *others]
    return manifest


def ascend(name: str, namespace: str) -> Manifest:
    """Return Ascend by a device plugin, as the example asks for it."""
    accelerators = model_manifest(name, namespace)["spec"]["accelerators"]
    return next(a for a in accelerators if a["profile"] == "huawei-ascend-910b")


def held(world: World, namespace: str) -> list[tuple[str, str]]:
    """Return pool and device of everything that claims in the namespace hold."""
    found = []
    for claim in world.get("resourceclaims", namespace=namespace)["items"]:
        results = claim.get("status", {}).get("allocation", {}).get("devices", {}).get("results", [])
        found += [(r["pool"], r["device"]) for r in results]
    return sorted(found)


def templates(world: World, namespace: str) -> list[str]:
    """Return the names of the templates of claims in the namespace."""
    return [t["metadata"]["name"] for t in world.get("resourceclaimtemplates", namespace=namespace)["items"]]


def test_a_model_gets_matching_devices_by_a_claim_on_the_node_that_has_them(world: World, place: Place) -> None:
    with world.governed(**place.rules) as (policy, namespace):
        world.admin.apply([by_claims("m", namespace, 2)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (pod,) = world.pods(namespace)
        assert pod["spec"]["nodeName"] == place.node("two")
        assert pod["spec"]["containers"][0]["resources"] == {"claims": [{"name": "devices"}]}
        assert pod["spec"]["resourceClaims"] == [
            {"name": "devices", "resourceClaimTemplateName": templates(world, namespace)[0]}
        ]
        assert held(world, namespace) == [(place.node("two"), "gpu-0"), (place.node("two"), "gpu-1")]
        status = world.get("sovereignmodel", "m", namespace=namespace)["status"]
        assert status["placement"]["resource"] == "gpu.nvidia.com"
        rejected = {node: group["reason"] for group in status["placement"]["rejected"] for node in group["sample"]}
        assert rejected[place.node("mixed")] == (
            "has devices of the driver gpu.nvidia.com of another kind than the approved profiles describe"
        )
        assert rejected[place.node("other")] == (
            "has devices of the driver gpu.example.my, which no approved profile names"
        )
        assert place.eligible(place.node("two"), policy)
        assert not place.eligible(place.node("mixed"), policy)
        assert not place.eligible(place.node("other"), policy)


def test_a_device_that_nobody_approved_takes_the_nodes_label_away_and_its_going_brings_it_back(
    world: World, place: Place
) -> None:
    node = place.add("late")
    slices = [resource_slice(node, device(0, H20)), resource_slice(node, device(0, "x"), driver="gpu.example.my")]
    with world.governed(**place.rules) as (policy, _):
        try:
            world.admin.apply(slices[:1])
            poll("the node to be eligible", lambda: place.eligible(node, policy))
            world.admin.apply(slices[1:])
            poll("the label to go", lambda: not place.eligible(node, policy))
            world.admin.run("delete", "resourceslice", slices[1]["metadata"]["name"])
            poll("the label to come back", lambda: place.eligible(node, policy))
        finally:
            world.admin.run("delete", "resourceslice", *(s["metadata"]["name"] for s in slices), "--ignore-not-found")
            world.admin.run("delete", "node", node)


def test_who_holds_the_devices_is_told_and_a_second_preference_by_plugin_is_taken(world: World, place: Place) -> None:
    with world.namespace(**place.rules) as namespace:
        world.admin.apply([by_claims("first", namespace, 2)])
        world.wait_condition("sovereignmodel", "first", "Ready", "True", namespace)
        world.admin.apply([by_claims("second", namespace, 1)])
        told = world.wait_condition("sovereignmodel", "second", "Placed", "False", namespace)
        assert told["reason"] == "InsufficientDevices"
        assert f"2 of 2 devices of gpu.nvidia.com are held: 2 by model {namespace}/first" in told["message"]
        world.admin.apply([by_claims("third", namespace, 1, ascend("third", namespace))])
        world.wait_condition("sovereignmodel", "third", "Ready", "True", namespace)
        placement = world.get("sovereignmodel", "third", namespace=namespace)["status"]["placement"]
        assert placement["accelerator"] == "huawei-ascend-910b"
        assert placement["nodes"] == [place.node("ascend")]
        world.admin.run("delete", "sovereignmodel", "first", "-n", namespace)
        world.wait_condition("sovereignmodel", "second", "Ready", "True", namespace)
        assert len(held(world, namespace)) == 1


def test_another_count_is_another_template_and_the_old_one_goes_once_nothing_needs_it(
    world: World, place: Place
) -> None:
    with world.namespace(**place.rules) as namespace:
        world.admin.apply([by_claims("m", namespace, 1)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (old,) = templates(world, namespace)
        world.admin.apply([by_claims("m", namespace, 2)])
        poll("two devices to be held", lambda: len(held(world, namespace)) == 2)
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        poll("the old template to go", lambda: old not in templates(world, namespace))
        (new,) = templates(world, namespace)
        world.admin.apply([by_claims("m", namespace, 3)])
        told = world.wait_condition("sovereignmodel", "m", "Ready", "False", namespace)
        assert told["message"]
        assert new in templates(world, namespace)
        world.admin.run("delete", "sovereignmodel", "m", "-n", namespace)
        poll("everything to be free", lambda: held(world, namespace) == [] and templates(world, namespace) == [])


def test_the_example_is_taken_and_runs(world: World, place: Place) -> None:
    with world.namespace(**place.rules) as namespace:
        manifest = yaml.safe_load((ROOT / "examples" / "dra.yaml").read_text())
        manifest["metadata"]["namespace"] = namespace
        world.admin.apply([json.loads(json.dumps(manifest))])
        name = manifest["metadata"]["name"]
        world.wait_condition("sovereignmodel", name, "Ready", "True", namespace)
        assert len(held(world, namespace)) == manifest["spec"]["accelerators"][0]["count"]
