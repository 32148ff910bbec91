"""What a model is rendered to on a Kubernetes without image volumes, or with an older API for claims."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.catalog.kubernetes import Capabilities, observed, of_version
from daulat.facts.devices import parse_slice
from daulat.placement.choice import choose
from daulat.placement.loading import loading
from daulat.workload.claims import claim_template_name, claim_templates
from tests.unit.world import H20, World, choice, device, model, node, offered, the_model

BETA = ("v1beta1", "v1beta2", "v1")
RESOURCES = ("resourceclaims", "resourceclaimtemplates", "resourceslices", "deviceclasses")


def serving(version: str) -> Capabilities:
    return observed("v1.33.1", {("resource.k8s.io", r): [version] for r in RESOURCES})


def claiming(cluster: Capabilities) -> World:
    asked = choice(H20, 2, claims="DynamicResourceAllocation")
    return World(
        nodes=[node("h1")],
        slices=[offered("h1", device("gpu-0"), device("gpu-1"))],
        models=[model(accelerators=[asked])],
        capabilities=cluster,
    )


def rendered(cluster: Capabilities) -> tuple[str, dict[str, Any]]:
    snapshot = claiming(cluster).snapshot()
    found = the_model(snapshot)
    chosen = choose(found, list(snapshot.known_policies.values()), snapshot).chosen
    assert chosen is not None
    (template,) = claim_templates(found, chosen)
    assert template["metadata"]["name"] == claim_template_name(found, chosen)
    return template["metadata"]["name"], template


@pytest.mark.parametrize(("version", "fetched"), [("1.30", True), ("1.34", True), ("1.35", False), ("1.37", False)])
def test_weights_of_a_registry_are_fetched_where_images_cant_be_mounted(version: str, fetched: bool) -> None:
    snapshot = World(capabilities=of_version(version)).snapshot()
    policies = list(snapshot.known_policies.values())
    chosen = choose(the_model(snapshot), policies, snapshot).chosen
    assert chosen is not None
    assert loading(the_model(snapshot), chosen, policies, snapshot.weights_image).fetched is fetched


def test_a_placed_model_keeps_how_it_gets_its_weights_when_the_cluster_is_upgraded() -> None:
    state = World(models=[model(status={"weights": {"method": "Fetched"}})], capabilities=of_version("1.37"))
    snapshot = state.snapshot()
    policies = list(snapshot.known_policies.values())
    chosen = choose(the_model(snapshot), policies, snapshot).chosen
    assert chosen is not None
    assert loading(the_model(snapshot), chosen, policies, snapshot.weights_image).fetched


@pytest.mark.parametrize("version", BETA)
def test_a_template_of_claims_is_of_the_version_that_is_served_and_keeps_its_name(version: str) -> None:
    name, template = rendered(serving(version))
    assert template["apiVersion"] == f"resource.k8s.io/{version}"
    (request,) = template["spec"]["spec"]["devices"]["requests"]
    asked = request if version == "v1beta1" else request["exactly"]
    assert (asked["deviceClassName"], asked["count"], asked["allocationMode"]) == ("gpu.nvidia.com", 2, "ExactCount")
    assert ("exactly" in request) is (version != "v1beta1")
    assert name == rendered(of_version("1.37"))[0]


def test_a_slice_reads_the_same_in_each_version() -> None:
    new = offered("h1", device("gpu-0", taints=[{"key": "x", "effect": "NoSchedule"}]))
    old = offered("h1", {"name": "gpu-0", "basic": {k: v for k, v in new["spec"]["devices"][0].items() if k != "name"}})
    assert parse_slice(old) == parse_slice(new)
