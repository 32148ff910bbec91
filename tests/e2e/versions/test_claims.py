"""Devices by claims where dynamic resource allocation is a beta that is switched on: judged, counted and allocated as in v1."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dev.cluster.kubernetes import versions
from dev.deployment import poll
from tests.e2e.test_dra import H20, H100, by_claims, device, device_class, resource_slice
from tests.e2e.world import Manifest, World, lower, node_manifest, raise_world, unique, zone_manifest

from .server import wanted

FEATURE = "dra=v1beta1"
API = "resource.k8s.io/v1beta1"
VERSIONS = [v for v in wanted() if FEATURE in versions.find(v).features]


def as_beta(manifest: Manifest) -> Manifest:
    """Return a manifest of v1 as v1beta1 has it: what describes a device stands in a field of its own."""
    spec = dict(manifest["spec"])
    if manifest["kind"] == "ResourceSlice":
        spec["devices"] = [
            {"name": d["name"], "basic": {k: v for k, v in d.items() if k != "name"}} for d in spec["devices"]
        ]
    return {**manifest, "apiVersion": API, "spec": spec}


@pytest.fixture(scope="module", params=VERSIONS)
def beta_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with Daulat, and with the beta switched on."""
    raised = raise_world(
        unique("beta"),
        tmp_path_factory.mktemp("operator"),
        say=lambda line: None,
        kubernetes=request.param,
        features=(FEATURE,),
    )
    yield raised
    if not os.environ.get("DAULAT_KEEP_CLUSTER"):
        lower(raised)


@pytest.fixture(scope="module")
def site(beta_world: World) -> str:
    """A zone with a node of two H20, and one of an H20 and an H100."""
    name = unique("dra")
    nodes = [node_manifest(f"{name}-{n}", name) for n in ("two", "mixed")]
    for node in nodes:
        amounts = {"cpu": "64", "memory": "512Gi", "pods": "110"}
        node["status"] = {"allocatable": amounts, "capacity": dict(amounts)}
    slices = [
        resource_slice(f"{name}-two", device(0, H20), device(1, H20)),
        resource_slice(f"{name}-mixed", device(0, H20), device(1, H100)),
    ]
    beta_world.admin.apply(nodes)
    beta_world.admin.apply(nodes, "--subresource=status")
    beta_world.admin.apply([zone_manifest(name), *map(as_beta, [device_class("gpu.nvidia.com"), *slices])])
    return name


def test_a_model_gets_its_devices_by_a_claim(beta_world: World, site: str) -> None:
    with beta_world.governed(zones={"names": [site]}) as (_, namespace):
        beta_world.admin.apply([by_claims("m", namespace, 2)])
        beta_world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (pod,) = beta_world.pods(namespace)
        assert pod["spec"]["nodeName"] == f"{site}-two"
        placement = beta_world.get("sovereignmodel", "m", namespace=namespace)["status"]["placement"]
        rejected = {node: group["reason"] for group in placement["rejected"] for node in group["sample"]}
        assert "of another kind than the approved profiles describe" in rejected[f"{site}-mixed"]


def test_claims_are_judged_in_the_version_that_is_served(beta_world: World, site: str) -> None:
    with beta_world.governed(zones={"names": [site]}) as (_, namespace):
        head = {"apiVersion": API, "kind": "ResourceClaim", "metadata": {"name": "c", "namespace": namespace}}

        def refusal(**request: object) -> str:
            claim = {**head, "spec": {"devices": {"requests": [{"name": "gpu", **request}]}}}
            return beta_world.refusal(claim, "--dry-run=server")

        assert 'USE-19 spec.devices.requests: DeviceClass "gpu.amd.com" was requested' in refusal(
            deviceClassName="gpu.amd.com"
        )
        assert 'USE-19 spec.devices.requests["gpu"].selectors: no selector is of an approved accelerator' in refusal(
            deviceClassName="gpu.nvidia.com"
        )


def test_who_publishes_devices_is_guarded_in_the_version_that_is_served(beta_world: World, site: str) -> None:
    rule = {"apiGroups": ["resource.k8s.io"], "resources": ["resourceslices"], "verbs": ["get", "create", "update"]}
    mallory = beta_world.grant(unique("mallory"), rule)
    invented = as_beta(resource_slice(f"{site}-two", device(2, H20), generation=2))
    poll(
        "the slice to be refused",
        lambda: "MGD-14 metadata.name" in beta_world.refusal(invented, "--dry-run=server", kubectl=mallory),
    )
