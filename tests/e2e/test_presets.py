"""A policy that starts from a preset is in force like any other, and says so; one that names no preset says that."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.catalog import presets
from dev.deployment import poll

from .world import Manifest, World, namespace_manifest, pod_manifest, policy_manifest, unique


def preset_manifest(name: str, preset: Manifest, **changes: Any) -> Manifest:
    """Return a policy with nothing but a preset and its accelerators."""
    manifest = policy_manifest(name)
    kept = {key: manifest["spec"][key] for key in ("namespaceSelector", "accelerators")}
    return {**manifest, "spec": {**kept, "preset": preset, **changes}}


def test_a_policy_from_a_preset_is_enforced_and_tells_its_controls(world: World) -> None:
    name, namespace = unique("nccp"), unique("ns")
    policy = preset_manifest(name, {"name": "my-nccp", "dataClass": "confidential"})
    world.admin.apply([policy, namespace_manifest(namespace, name)])
    world.wait_condition("sovereigntypolicy", name, "Enforced", "True")
    live = world.get("sovereigntypolicy", name)
    # The user's spec stays the user's: the expansion is in what is compiled, not in the object.
    assert live["spec"]["preset"] == {"name": "my-nccp", "dataClass": "confidential"}
    assert "zones" not in live["spec"]
    # That weights are pinned by digest is asked by the preset alone.
    assert "SUP-01 (models)" in live["status"]["controlsByAction"]["enforce"]
    # Only the facility in Malaysia that a Malaysian company runs is good enough for confidential data.
    poll("the nodes to be certified", lambda: {"ascend-1", "h20-1"} <= eligible(world, name))
    assert not {n for n in eligible(world, name) if n.startswith(("hosted", "sg-", "stray"))}
    assert "USE-04 " in world.refusal(pod_manifest("p", namespace, nodeName="sg-gpu-1"), "--dry-run=server")
    world.remove(namespace, name)


def eligible(world: World, policy: str) -> set[str]:
    """Return the nodes that are certified for the policy."""
    label = f"daulat.node-restriction.kubernetes.io/{policy}"
    return {n["metadata"]["name"] for n in world.get("nodes")["items"] if label in n["metadata"]["labels"]}


@pytest.mark.parametrize(
    ("preset", "told"),
    [
        (
            {"name": "my-ncp", "dataClass": "public"},
            f"there is no preset my-ncp; there are {', '.join(presets.presets())}",
        ),
        ({"name": "my-nccp"}, "my-nccp needs dataClass, one of public, internal, restricted, confidential"),
        ({"name": "baseline"}, "baseline doesn't set zones; set spec.zones"),
    ],
)
def test_a_policy_whose_preset_cant_be_used_says_why(world: World, preset: Manifest, told: str) -> None:
    name = unique("preset")
    world.admin.apply([preset_manifest(name, preset)])
    condition = world.wait_condition("sovereigntypolicy", name, "Enforced", "False")
    assert condition["reason"] == "Invalid"
    assert condition["message"] == f"spec.preset: {told}. What was in force stays in force."
    assert "Invalid" in world.admin.run("get", "sovereigntypolicy", name, "-o", "wide")
    world.admin.run("delete", "sovereigntypolicy", name)


def test_what_the_policy_sets_beside_its_preset_wins(world: World) -> None:
    name, namespace = unique("nccp"), unique("ns")
    zones = {"countries": ["SG"], "operatorCountries": ["SG"], "parentCountries": ["SG"]}
    policy = preset_manifest(name, {"name": "my-nccp", "dataClass": "restricted"}, zones=zones)
    world.admin.apply([policy, namespace_manifest(namespace, name)])
    world.wait_condition("sovereigntypolicy", name, "Enforced", "True")
    poll("the nodes to be certified", lambda: eligible(world, name) == {"sg-ascend-1"})
    world.remove(namespace, name)
