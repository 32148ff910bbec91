"""Every example of a model that is no other test's runs as it is written, but for its place in a cluster that others share."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.catalog import accelerators
from dev.deployment import ROOT, poll

from .world import World, node_manifest, node_with, unique

EXAMPLES = ROOT / "examples"
UNDER_THE_POLICY = ("sglang.yaml", "llama.cpp.yaml", "custom.yaml", "pod-settings.yaml")
WHOLE = {"mindie-pvc.yaml": "claims", "hf-mirror.yaml": "mirrored"}
"""Examples that have a policy of their own, with its name."""
ON_A_NODE_OF_THEIR_OWN = {"amd.yaml": "on-amd", "llama.cpp-cpu.yaml": "on-cpus", "own-profile.yaml": "on-gaudi"}
"""Examples that have a policy of their own as well, for accelerators that the tests' cluster hasn't."""
ELSEWHERE = {
    "attested.yaml": "unit/cli/attest/test_attest.py",
    "autoscaling.yaml": "test_scaleout.py",
    "chips.yaml": "test_chips.py",
    "exposed.yaml": "test_scaleout.py",
    "scale-to-zero.yaml": "test_scaleout.py",
    "deepseek-r1.yaml": "world.py",
    "deepseek-second.yaml": "test_demo.py",
    "dra.yaml": "test_dra.py",
    "evidence": "unit/test_evidence_page.py",
    "exemption.yaml": "test_exemptions.py",
    "karmada": "unit/generated/test_karmada.py",
    "namespace.yaml": "test_demo.py",
    "national": "unit/cli/check/test_narrower.py",
    "policy.yaml": "world.py",
    "qwen3-32b.yaml": "test_placement.py",
    "s3-signed.yaml": "test_weights.py",
    "several-nodes.yaml": "test_shapes.py",
}


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def test_every_example_is_some_tests() -> None:
    assert {p.name for p in EXAMPLES.iterdir()} == {
        "zone.yaml",
        *UNDER_THE_POLICY,
        *WHOLE,
        *ON_A_NODE_OF_THEIR_OWN,
        *ELSEWHERE,
    }


@contextmanager
def first_model(world: World) -> Iterator[None]:
    """What the block applies serves the README's first model under its policy, and is removed after that."""
    poll("the namespace to be free", lambda: not world.exists("namespace", "treasury"))
    try:
        yield
        world.wait_condition("sovereignmodel", "deepseek-r1", "Ready", "True", "treasury")
        assert world.condition("sovereigntypolicy", "confidential", "Enforced")["status"] == "True"
    finally:
        world.remove("treasury", "confidential")


def test_the_readmes_command_serves_a_first_model_by_one_apply(world: World) -> None:
    """Its policy comes into force some seconds after the model is admitted."""
    readme = (ROOT / "README.md").read_text()
    (line,) = [found for found in readme.splitlines() if found.startswith("kubectl apply -f examples/zone.yaml")]
    command = [world.admin.command, "--kubeconfig", str(world.admin.kubeconfig), *shlex.split(line)[1:]]
    with first_model(world):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_files_of_the_first_model_are_a_kustomization(world: World, tmp_path: Path) -> None:
    """Whatever the order in which `kubectl apply -k` sends them."""
    names = ("deepseek-r1.yaml", "namespace.yaml", "policy.yaml", "zone.yaml")
    for name in names:
        (tmp_path / name).write_text((EXAMPLES / name).read_text())
    body = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(names)}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(body))
    with first_model(world):
        world.admin.run("apply", "-k", str(tmp_path))


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


@pytest.mark.parametrize("name", ON_A_NODE_OF_THEIR_OWN)
def test_it_serves_on_its_own_accelerator(world: World, name: str) -> None:
    manifests = read(name)
    model = manifests[-1]
    meta, (choice,) = model["metadata"], model["spec"]["accelerators"]
    own = {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "AcceleratorProfile"}
    known = {**accelerators.shipped(), **{n: AcceleratorProfileSpec.model_validate(s) for n, s in own.items()}}
    with node_with(world, known[choice["profile"]]):
        try:
            world.admin.apply(manifests)
            world.wait_condition("sovereignmodel", meta["name"], "Ready", "True", meta["namespace"])
            (pod,) = world.pods(meta["namespace"])
            (container,) = pod["spec"]["containers"]
            asked = container["resources"]["limits"]
            assert int(asked[known[choice["profile"]].resources[0].name]) >= 1
            assert name != "llama.cpp-cpu.yaml" or (asked["cpu"], asked["memory"]) == ("8", "16Gi")
        finally:
            world.remove(meta["namespace"], ON_A_NODE_OF_THEIR_OWN[name])
            if own:
                world.admin.run("delete", "acceleratorprofile", *own, "--ignore-not-found")


def test_the_zone_certifies_its_nodes(world: World) -> None:
    (zone,) = read("zone.yaml")
    name, node = unique("zone"), unique("extra")
    zone["metadata"]["name"] = name
    zone["spec"]["nodeSelector"]["matchLabels"] = {"daulat.node-restriction.kubernetes.io/site": name}
    manifest = node_manifest(node, site=name)
    try:
        world.admin.apply([zone, manifest])
        world.admin.apply([manifest], "--subresource=status")
        world.wait_condition("sovereignzone", name, "Certified", "True")
        poll("the node to be counted", lambda: world.get("sovereignzone", name)["status"].get("nodes") == 1)
    finally:
        world.admin.run("delete", "node", node, "--ignore-not-found")
        world.admin.run("delete", "sovereignzone", name, "--ignore-not-found")
