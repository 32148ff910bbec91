"""Weights come from where policies allow, by a volume or by an init container, and what is wrong with them is told."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from dev.deployment import ROOT, WEIGHTS_IMAGE, poll

from .world import World, model_manifest

DIGEST = "@sha256:" + "1a" * 32
S3, HUB = "https://s3.example.my", "https://hub.example.my"
KEY = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"
SOURCES = {
    "sources": ["oci://registry.example.my/", "s3://models/", "hf://deepseek-ai/", "ms://deepseek-ai/", "pvc://"],
    "endpoints": {"s3": [S3], "hf": [HUB], "ms": [HUB]},
    "requireDigest": True,
}


def of(namespace: str, uri: str, env: dict[str, str] | None = None, **source: Any) -> dict[str, Any]:
    manifest = model_manifest("m", namespace)
    manifest["spec"]["model"] |= {"uri": uri + DIGEST, **source}
    if env:
        for choice in manifest["spec"]["accelerators"]:
            choice["env"] = env
    return manifest


def env_of(container: dict[str, Any]) -> dict[str, str]:
    return {e["name"]: e.get("value", "") for e in container["env"]}


@pytest.mark.parametrize(
    ("uri", "endpoint"),
    [("s3://models/r1", S3), ("hf://deepseek-ai/R1:main", HUB), ("ms://deepseek-ai/R1", HUB)],
)
def test_fetched_weights_come_by_an_init_container(world: World, uri: str, endpoint: str) -> None:
    with world.namespace(models=SOURCES) as namespace:
        world.admin.apply([of(namespace, uri)])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (pod,) = world.pods(namespace)
        (init,) = pod["spec"]["initContainers"]
        assert (init["name"], init["image"], init["args"]) == ("weights", WEIGHTS_IMAGE, ["weights", "load"])
        assert env_of(init)["WEIGHTS_URI"] == uri + DIGEST
        assert env_of(init)["WEIGHTS_ENDPOINT"] == endpoint
        assert not any("limits" in c.get("resources", {}) for c in pod["spec"]["initContainers"])
        status = world.get("sovereignmodel", "m", namespace=namespace)["status"]
        assert status["weights"] == {"method": "Fetched", "image": WEIGHTS_IMAGE, "endpoint": endpoint}


def test_a_claims_digest_is_checked_in_the_pod(world: World) -> None:
    with world.namespace(models=SOURCES) as namespace:
        world.admin.apply([of(namespace, "pvc://shared/r1"), claim("shared", namespace)])
        world.wait_condition("sovereignmodel", "m", "Placed", "True", namespace)
        deployment = world.made("deployment", "m", namespace)
        (init,) = deployment["spec"]["template"]["spec"]["initContainers"]
        assert init["args"] == ["weights", "check"]
        assert env_of(init)["WEIGHTS_TARGET"] == "/models/r1"
        assert all(m["readOnly"] for m in init["volumeMounts"] if m["name"] == "weights")


def test_a_cache_is_kept_where_the_zone_is(world: World) -> None:
    fetch = {"cache": {"storageClassName": "encrypted-cyberjaya", "size": "100Gi"}}
    with world.namespace(models=SOURCES) as namespace:
        world.admin.apply([of(namespace, "s3://models/r1", fetch=fetch)])
        world.wait_condition("sovereignmodel", "m", "Placed", "True", namespace)
        kept = world.made("persistentvolumeclaim", "m-weights", namespace)
        assert kept["spec"]["storageClassName"] == "encrypted-cyberjaya"
        assert kept["metadata"]["ownerReferences"][0]["name"] == "m"
        world.admin.apply([of(namespace, "s3://models/r1")])
        poll("the claim to go", lambda: not world.exists("persistentvolumeclaim", "m-weights", namespace))


def test_a_cache_that_no_zone_has_is_told(world: World) -> None:
    fetch = {"cache": {"storageClassName": "global", "size": "100Gi"}}
    with world.namespace(models=SOURCES) as namespace:
        world.admin.apply([of(namespace, "s3://models/r1", fetch=fetch)])
        told = world.wait_condition("sovereignmodel", "m", "Placed", "False", namespace)
        assert "has no StorageClass global on record" in told["message"]


def test_every_policys_trust_is_checked_before_the_engine_starts(world: World) -> None:
    with world.governed(models={**SOURCES, "signatures": {"keys": [KEY]}}) as (policy, namespace):
        world.admin.apply([of(namespace, "oci://registry.example.my/models/r1")])
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)
        (pod,) = world.pods(namespace)
        (init,) = pod["spec"]["initContainers"]
        assert init["args"] == ["weights", "check"]
        assert f'"policy":"{policy}"' in env_of(init)["WEIGHTS_TRUST"]
        assert "BEGIN PUBLIC KEY" in env_of(init)["WEIGHTS_TRUST"]
        status = world.get("sovereignmodel", "m", namespace=namespace)["status"]
        assert status["weights"]["trustedBy"] == [policy]


@pytest.mark.parametrize("fault", ["SignatureValidationFailed", "DigestMismatch", "FetchFailed"])
def test_weights_that_arent_good_are_told_and_nothing_serves(world: World, fault: str) -> None:
    with world.namespace(models={**SOURCES, "signatures": {"keys": [KEY]}}) as namespace:
        world.admin.apply([of(namespace, "s3://models/r1", env={"FAULT": fault})])
        told = world.wait_reason("sovereignmodel", "m", "WorkloadReady", fault, namespace)
        assert "what the init container said" in told["message"]
        ready = world.condition("sovereignmodel", "m", "Ready", namespace)
        assert (ready["status"], ready["reason"]) == ("False", fault)
        assert "url" not in world.get("sovereignmodel", "m", namespace=namespace)["status"]


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [("image", "ImagePullFailed", "Back-off pulling image"), ("crash", "EngineCrashed", "exit code 137, OOMKilled")],
)
def test_why_the_engine_doesnt_run_is_told(world: World, fault: str, reason: str, words: str) -> None:
    with world.namespace(models=SOURCES) as namespace:
        world.admin.apply([of(namespace, "oci://registry.example.my/models/r1", env={"FAULT": fault})])
        told = world.wait_reason("sovereignmodel", "m", "WorkloadReady", reason, namespace)
        assert words in told["message"]
        assert told["message"].startswith("0 of 1 replicas are ready; pod m-")


def test_a_slow_start_becomes_ready(world: World) -> None:
    with world.namespace(models=SOURCES) as namespace:
        world.admin.apply([of(namespace, "oci://registry.example.my/models/r1", env={"SLOW_START": "3s"})])
        world.wait_reason("sovereignmodel", "m", "WorkloadReady", "ReplicasPending", namespace)
        world.wait_condition("sovereignmodel", "m", "Ready", "True", namespace)


@pytest.mark.parametrize(
    ("uri", "fetch", "words"),
    [
        ("hf://meta-llama/Llama", None, 'STO-07 spec.model.uri: "hf://meta-llama/Llama@sha256:'),
        (
            "s3://models/r1",
            {"endpoint": "https://s3.amazonaws.com"},
            'STO-07 spec.model.fetch.endpoint: "https://s3.amazon',
        ),
        (
            "s3://models/r1",
            {"proxy": "http://proxy.evil.org"},
            'STO-07 spec.model.fetch.proxy: "http://proxy.evil.org"',
        ),
        ("pvc://shared/r1", {"size": "1Gi"}, "spec.model.fetch: a pvc is mounted, not fetched"),
        ("oci://registry.example.my/m", {"endpoint": S3}, "an oci uri names its server itself"),
        ("s3://models/../secrets", None, "spec.model.uri"),
        ("s3://models/r1", {"endpoint": "https://user:password@s3.example.my"}, "spec.model.fetch.endpoint"),
    ],
)
def test_what_isnt_allowed_is_refused_at_once(world: World, uri: str, fetch: Any, words: str) -> None:
    with world.namespace(models=SOURCES) as namespace:
        manifest = of(namespace, uri, **({"fetch": fetch} if fetch else {}))
        assert words in world.refusal(manifest)


def claim(name: str, namespace: str) -> dict[str, Any]:
    spec = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "encrypted-cyberjaya",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def test_the_example_is_placed_and_will_be_checked(world: World) -> None:
    manifests = list(yaml.safe_load_all((ROOT / "examples" / "s3-signed.yaml").read_text()))
    try:
        world.admin.apply(manifests)
        world.wait_condition("sovereignmodel", "qwen3-32b", "Placed", "True", "archive")
        status = world.get("sovereignmodel", "qwen3-32b", namespace="archive")["status"]
        assert status["weights"]["trustedBy"] == ["signed"]
        assert status["weights"]["endpoint"] == "https://s3.example.my"
        assert world.made("persistentvolumeclaim", "qwen3-32b-weights", "archive")
    finally:
        world.remove("archive", "signed")
