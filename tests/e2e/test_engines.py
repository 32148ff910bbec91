"""A model is served by each engine, on each family of accelerators that runs it."""

from __future__ import annotations

from typing import Any

import pytest

from .world import World, model_manifest

IMAGE = "registry.example.my/engine@sha256:" + "4d" * 32
PROFILES = {"huawei-ascend-910b": "huawei.com/Ascend910", "nvidia-h20": "nvidia.com/gpu"}
STARTS: dict[tuple[str, str], list[str]] = {
    ("vllm", "huawei-ascend-910b"): ["vllm", "serve"],
    ("vllm", "nvidia-h20"): [],
    ("sglang", "huawei-ascend-910b"): ["python3", "-m", "sglang.launch_server"],
    ("sglang", "nvidia-h20"): ["python3", "-m", "sglang.launch_server"],
}
TOLD = {
    "vllm": {"/models", "--served-model-name=served", "--tensor-parallel-size=2", "--max-model-len=8192"},
    "sglang": {
        "--model-path=/models",
        "--served-model-name=served",
        "--tensor-parallel-size=2",
        "--context-length=8192",
    },
}


def served(namespace: str, engine: str, profile: str, **choice: Any) -> dict[str, Any]:
    manifest = model_manifest("m", namespace, engine={"name": engine, "context": 8192})
    manifest["spec"]["model"]["name"] = "served"
    manifest["spec"]["accelerators"] = [{"profile": profile, "count": 2, "image": IMAGE, **choice}]
    return manifest


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("engine", sorted(TOLD))
def test_a_model_is_served(world: World, engine: str, profile: str) -> None:
    with world.governed() as (_, namespace):
        world.admin.apply([served(namespace, engine, profile)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (pod,) = world.pods(namespace)
        (container,) = pod["spec"]["containers"]
        assert container.get("command", []) == STARTS[engine, profile]
        assert TOLD[engine] <= set(container["args"])
        assert container["resources"]["limits"] == {PROFILES[profile]: "2"}
        env = {e["name"]: e["value"] for e in container["env"]}
        assert (env["HF_HUB_OFFLINE"], env["DO_NOT_TRACK"], env["HOME"]) == ("1", "1", "/cache")


def test_an_engine_without_an_image_anywhere_is_told(world: World) -> None:
    with world.governed() as (_, namespace):
        manifest = served(namespace, "sglang", "nvidia-h20")
        del manifest["spec"]["accelerators"][0]["image"]
        world.admin.apply([manifest])
        told = world.wait_condition("sovereignmodel", "m", "PolicyCompliant", "False", namespace)
        assert 'spec.accelerators["nvidia-h20"].image: there is none' in told["message"]


def test_an_engine_that_the_accelerator_doesnt_run_is_told(world: World) -> None:
    with world.governed(accelerators={"profiles": ["huawei-ascend-910b-vnpu"]}) as (_, namespace):
        world.admin.apply([served(namespace, "sglang", "huawei-ascend-910b-vnpu")])
        told = world.wait_condition("sovereignmodel", "m", "Placed", "False", namespace)
        assert told["message"].startswith("AcceleratorProfile huawei-ascend-910b-vnpu doesn't run sglang")
