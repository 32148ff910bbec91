"""A model is served by each engine, on each family of accelerators that runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daulat.catalog import accelerators
from dev.deployment import poll

from .world import World, model_manifest, node_with, pod_manifest, unique

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
    with world.namespace() as namespace:
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
        ({"name": "custom"}, "custom must be set if name is custom"),
        ({"name": "vllm", "custom": CUSTOM}, "custom must be set if name is custom"),
        ({"name": "custom", "custom": {"port": 80}}, "spec.engine.custom.port"),
        ({"name": "triton"}, "spec.engine.name"),
    ],
)
def test_an_engine_that_cant_be_is_refused_at_once(world: World, engine: dict[str, Any], words: str) -> None:
    with world.namespace() as namespace:
        assert words in world.refusal(model_manifest("m", namespace, engine=engine))


def test_an_engine_without_an_image_anywhere_is_told(world: World) -> None:
    with world.namespace() as namespace:
        manifest = served(namespace, "sglang", "nvidia-h20")
        del manifest["spec"]["accelerators"][0]["image"]
        world.admin.apply([manifest])
        told = world.wait_condition("sovereignmodel", "m", "PolicyCompliant", "False", namespace)
        assert 'spec.accelerators["nvidia-h20"].image: there is none' in told["message"]


def test_an_engine_that_the_accelerator_doesnt_run_is_told(world: World) -> None:
    with world.namespace(accelerators={"profiles": ["huawei-ascend-910b-vnpu"]}) as namespace:
        world.admin.apply([served(namespace, "sglang", "huawei-ascend-910b-vnpu")])
        told = world.wait_condition("sovereignmodel", "m", "Placed", "False", namespace)
        assert told["message"].startswith("AcceleratorProfile huawei-ascend-910b-vnpu doesn't run sglang")


OTHERS = {
    "amd-mi300x": ("llama.cpp", "vllm"),
    "huawei-ascend-310p": ("mindie", "vllm"),
    "huawei-ascend-910c": ("mindie", "sglang", "vllm"),
    "intel-gaudi": ("vllm",),
    "intel-gpu": ("llama.cpp", "vllm"),
    "nvidia-h100-mig": ("vllm",),
    "tenstorrent-chip": ("custom",),
}


@pytest.mark.parametrize("profile", OTHERS)
def test_a_model_is_served_on_other_families_too(world: World, profile: str) -> None:
    approved = {"profiles": [profile]}
    count = 1 if profile == "nvidia-h100-mig" else 2
    with node_with(world, accelerators.shipped()[profile]), world.namespace(accelerators=approved) as namespace:
        for engine in OTHERS[profile]:
            manifest = served(namespace, engine, profile, count=count)
            manifest["metadata"]["name"] = name = f"m-{engine.replace('.', '')}"
            world.admin.apply([manifest])
            world.wait_condition("sovereignmodel", name, "Ready", "True", namespace)
            (pod,) = [p for p in world.pods(namespace) if p["metadata"]["labels"]["daulat.dev/model"] == name]
            (container,) = pod["spec"]["containers"]
            status = world.get("sovereignmodel", name, namespace=namespace)["status"]
            resource = accelerators.shipped()[profile].resources[0].name
            assert (status["placement"]["accelerator"], status["placement"]["resource"]) == (profile, resource)
            assert container["resources"]["limits"] == {resource: str(count)}
            node = world.get("node", pod["spec"]["nodeName"])
            assert int(node["status"]["allocatable"][resource]) >= count
            assert pod["spec"]["securityContext"].get("supplementalGroups", []) == (
                [1000] if profile.startswith("huawei") else []
            )


def test_partitions_that_nobody_lists_are_approved_by_pattern_and_counted(world: World) -> None:
    sizes = {"nvidia.com/mig-1g.20gb": 4, "nvidia.com/mig-1g.10gb": 3}
    approved = {"profiles": ["nvidia-h100-mig"]}
    with (
        node_with(world, accelerators.shipped()["nvidia-h100-mig"], sizes) as node,
        world.governed(accelerators=approved) as (policy, namespace),
    ):

        def asking(name: str, resource: str) -> dict[str, Any]:
            resources = {kind: {resource: "1"} for kind in ("limits", "requests")}
            return pod_manifest("p", namespace, containers=[{"name": name, "image": IMAGE, "resources": resources}])

        told = world.refusal(asking("main", "nvidia.com/mig-1g.20gb.shared"))
        assert 'SUP-08 spec.containers[*].resources: "nvidia.com/mig-1g.20gb.shared" was requested' in told
        assert "nvidia.com/mig-#g.#gb" in told
        eligible = f"daulat.node-restriction.kubernetes.io/{policy}"
        poll(
            "the node to be eligible", lambda: world.get("node", node)["metadata"]["labels"].get(eligible) == "eligible"
        )
        world.admin.apply([asking("main", "nvidia.com/mig-1g.20gb")])
        poll("the pod to run there", lambda: [p["spec"].get("nodeName") for p in world.pods(namespace)] == [node])

        def found() -> tuple[int, int]:
            status = world.get("acceleratorprofile", "nvidia-h100-mig").get("status") or {}
            return status.get("nodes", 0), status.get("devices", 0)

        poll("both sizes to be counted", lambda: found() == (1, 7))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"resources": [{"name": "v.my/memory", "sharing": "Partition", "unit": "Companion"}]},
            "the first resource is a device",
        ),
        ({"resourceFamilies": [{"pattern": "v.my/*", "sharing": "Partition"}]}, "spec.resourceFamilies[0].pattern"),
        ({"deviceGroups": [0]}, "spec.deviceGroups[0]"),
    ],
)
def test_a_profile_that_cant_be_meant_is_refused(world: World, changes: dict[str, Any], words: str) -> None:
    spec = {
        "vendor": {"name": "v", "country": "MY"},
        "family": "f",
        "model": "m",
        "resources": [{"name": "v.my/gpu", "sharing": "Whole"}],
        **changes,
    }
    head = {"apiVersion": "daulat.dev/v1alpha1", "kind": "AcceleratorProfile", "metadata": {"name": unique("accel")}}
    assert words in world.refusal({**head, "spec": spec})
