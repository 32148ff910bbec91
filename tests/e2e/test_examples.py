"""Every example of a model that is no other test's runs as it is written, but for its place in a cluster that others share."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from dev.deployment import ROOT

from .world import World

EXAMPLES = ROOT / "examples"
UNDER_THE_POLICY = ("sglang.yaml", "llama.cpp.yaml", "custom.yaml")
WHOLE = {"mindie-pvc.yaml": "claims", "hf-mirror.yaml": "mirrored"}
"""Examples that have a policy of their own, with its name."""
ELSEWHERE = {
    "deepseek-r1.yaml": "world.py",
    "deepseek-second.yaml": "test_demo.py",
    "exemption.yaml": "test_exemptions.py",
    "namespace.yaml": "test_demo.py",
    "policy.yaml": "world.py",
    "qwen3-32b.yaml": "test_placement.py",
    "s3-signed.yaml": "test_weights.py",
    "several-nodes.yaml": "test_shapes.py",
}


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def test_every_example_is_some_tests() -> None:
    assert {p.name for p in EXAMPLES.iterdir()} == {*UNDER_THE_POLICY, *WHOLE, *ELSEWHERE}


@pytest.mark.parametrize("name", UNDER_THE_POLICY)
def test_it_serves_under_the_readmes_policy(world: World, name: str) -> None:
    with world.governed() as (_, namespace):
        (model,) = read(name)
        model["metadata"]["namespace"] = namespace
        world.admin.apply([model])
        world.wait_condition("sovereignmodel", model["metadata"]["name"], "Ready", "True", namespace)


@pytest.mark.parametrize("name", WHOLE)
def test_it_is_placed_under_its_own_policy(world: World, name: str) -> None:
    manifests = read(name)
    model = manifests[-1]["metadata"]
    try:
        world.admin.apply(manifests)
        # A claim isn't bound here, so a pod that mounts one waits.
        world.wait_condition("sovereignmodel", model["name"], "Placed", "True", model["namespace"])
        deployment = world.made("deployment", model["name"], model["namespace"])
        (init,) = deployment["spec"]["template"]["spec"]["initContainers"]
        assert init["name"] == "weights"
    finally:
        world.remove(model["namespace"], WHOLE[name])
