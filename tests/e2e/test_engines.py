"""A model is served by each engine, on each family of accelerators that runs it."""

from __future__ import annotations

import json
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
    ("llama.cpp", "nvidia-h20"): [],
    ("mindie", "huawei-ascend-910b"): ["/bin/bash", "-c"],
    ("custom", "huawei-ascend-910b"): ["serve"],
    ("custom", "nvidia-h20"): ["serve"],
}
TOLD = {
    "vllm": {"/models", "--served-model-name=served", "--tensor-parallel-size=2", "--max-model-len=8192"},
    "sglang": {
        "--model-path=/models",
        "--served-model-name=served",
        "--tensor-parallel-size=2",
        "--context-length=8192",
    },
    "llama.cpp": {"--model", "/models/q4/model.gguf", "--ctx-size", "8192", "--offline"},
    "mindie": set(),
    "custom": {"--weights=/models", "--devices=2"},
}
CUSTOM = {
    "command": ["serve"],
    "args": ["--weights={weights}", "--devices={devices}"],
    "port": 9000,
    "apiKeyEnv": "KEY",
}


def served(namespace: str, engine: str, profile: str, **choice: Any) -> dict[str, Any]:
    manifest = model_manifest("m", namespace, engine={"name": engine, "context": 8192})
    manifest["spec"]["model"]["name"] = "served"
    if engine == "llama.cpp":
        manifest["spec"]["model"]["file"] = "q4/model.gguf"
    if engine == "custom":
        manifest["spec"]["engine"] |= {"custom": CUSTOM, "apiKeySecret": {"name": "keys", "key": "api"}}
    manifest["spec"]["accelerators"] = [{"profile": profile, "count": 2, "image": IMAGE, **choice}]
    return manifest


@pytest.mark.parametrize(("engine", "profile"), sorted(STARTS))
def test_a_model_is_served(world: World, engine: str, profile: str) -> None:
    with world.governed() as (_, namespace):
        world.admin.apply([served(namespace, engine, profile)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (pod,) = world.pods(namespace)
        (container,) = pod["spec"]["containers"]
        assert container.get("command", [])[:2] == STARTS[engine, profile][:2] or not STARTS[engine, profile]
        assert TOLD[engine] <= set(container.get("args", []))
        assert container["resources"]["limits"] == {PROFILES[profile]: "2"}
        env = {e["name"]: e.get("value", e.get("valueFrom")) for e in container["env"]}
        assert (env["HF_HUB_OFFLINE"], env["DO_NOT_TRACK"], env["HOME"]) == ("1", "1", "/cache")
        if engine == "custom":
            assert env["KEY"] == {"secretKeyRef": {"name": "keys", "key": "api"}}
        if engine == "mindie":
            configuration = json.loads(env["MINDIE_CONFIG"])
            assert configuration["BackendConfig"]["npuDeviceIds"] == [[0, 1]]
            assert {p["name"] for p in container["ports"]} == {"http", "health", "metrics"}


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"name": "custom"}, "custom goes with the engine named custom"),
        ({"name": "vllm", "custom": CUSTOM}, "custom goes with the engine named custom"),
        ({"name": "custom", "custom": {"port": 80}}, "spec.engine.custom.port"),
        ({"name": "triton"}, "spec.engine.name"),
    ],
)
def test_an_engine_that_cant_be_is_refused_at_once(world: World, engine: dict[str, Any], words: str) -> None:
    with world.governed() as (_, namespace):
        assert words in world.refusal(model_manifest("m", namespace, engine=engine))


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
