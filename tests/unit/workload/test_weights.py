"""How weights come into pods: mounted where they can be, else fetched and checked by an init container that tenants can't bend."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from daulat.api.weights import URI_PATTERN, parse
from daulat.placement.choice import choose
from daulat.placement.loading import Loading, loading
from daulat.workload.pod import template
from tests.unit.world import ASCEND_LABELS, ASCEND_RESOURCE, WEIGHTS_IMAGE, World, model, node, policy, the_model, zone

DIGEST = "@sha256:" + "1a" * 32
KEY = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"
ENDPOINTS = {"s3": ["https://a.example.my", "https://b.example.my"], "hf": ["https://hub.example.my"]}


def world(
    uri: str, *, nodes: list[dict[str, Any]] | None = None, more: dict[str, Any] | None = None, **source: Any
) -> World:
    made = World(
        models=[model(model={"uri": uri, **source}, **(more or {}))], policies=[policy(models={"endpoints": ENDPOINTS})]
    )
    made.zones = [zone(storageClasses=["encrypted"])]
    if nodes:
        made.nodes = nodes
    return made


def how(made: World) -> Loading:
    snapshot = made.snapshot()
    found = the_model(snapshot)
    policies = snapshot.governing(found.namespace)
    decision = choose(found, policies, snapshot)
    assert decision.chosen is not None, decision.message
    return loading(found, decision.chosen, policies, snapshot.weights_image)


def pod(made: World) -> dict[str, Any]:
    snapshot = made.snapshot()
    found = the_model(snapshot)
    policies = snapshot.governing(found.namespace)
    decision = choose(found, policies, snapshot)
    assert decision.chosen is not None, decision.message
    way = loading(found, decision.chosen, policies, snapshot.weights_image)
    assert not way.problem
    spec: dict[str, Any] = template(found, decision.chosen, [p.name for p in policies], way)["spec"]
    return spec


def with_runtime(runtime: str) -> dict[str, Any]:
    made = node("a1", devices={ASCEND_RESOURCE: "8"}, labels=ASCEND_LABELS)
    made["status"]["nodeInfo"] = {"containerRuntimeVersion": runtime}
    return made


@pytest.mark.parametrize(
    ("runtime", "fetched"),
    [
        ("containerd://2.1.0", False),
        ("containerd://2.0.7", True),
        ("containerd://1.7.24", True),
        ("containerd://v3.0.0-rc.1", False),
        ("cri-o://1.30.2", True),
        ("cri-o://1.31.0", False),
        ("docker://27.0.1", True),
        ("kwok://kwok-v0.8.0", False),
        ("", False),
    ],
)
def test_an_image_is_mounted_where_the_runtime_can(runtime: str, fetched: bool) -> None:
    assert how(world("oci://registry.example.my/m" + DIGEST, nodes=[with_runtime(runtime)])).fetched is fetched


def test_one_old_node_makes_all_fetch() -> None:
    other = with_runtime("containerd://1.7.24")
    other["metadata"]["name"] = "a2"
    assert how(world("oci://registry.example.my/m", nodes=[with_runtime("containerd://2.2.0"), other])).fetched


def test_what_stands_keeps_its_way_and_its_image() -> None:
    made = world("oci://registry.example.my/m", nodes=[with_runtime("containerd://1.7.24")])
    made.models[0]["status"] = {"weights": {"method": "Mounted"}}
    assert not how(made).fetched
    made.models[0]["status"] = {"weights": {"method": "Fetched", "image": "registry.example.my/daulat:old"}}
    made.nodes = [with_runtime("containerd://2.2.0")]
    assert (how(made).fetched, how(made).image) == (True, "registry.example.my/daulat:old")


def test_an_image_and_an_unpinned_claim_need_no_init_container() -> None:
    for uri in ("oci://registry.example.my/m" + DIGEST, "pvc://claim/r1"):
        assert "initContainers" not in pod(world(uri))


@pytest.mark.parametrize("uri", ["oci://registry.example.my/m" + DIGEST, "pvc://claim/r1", "s3://models/r1"])
def test_where_a_signature_is_asked_for_every_source_is_checked(uri: str) -> None:
    made = world(uri)
    made.policies = [policy(models={"endpoints": ENDPOINTS, "signatures": {"keys": [KEY]}})]
    (init,) = pod(made)["initContainers"]
    env = {e["name"]: e.get("value") for e in init["env"]}
    assert json.loads(str(env["WEIGHTS_TRUST"])) == [{"policy": "confidential", "keys": [KEY], "certificates": []}]
    assert env["WEIGHTS_SIGNATURE"] == "model.sig"


def test_trust_doesnt_depend_on_the_order_of_keys() -> None:
    keys = [KEY, KEY.replace("MFkw", "MFkx")]
    made, other = world("s3://models/r1"), world("s3://models/r1")
    made.policies = [policy(models={"endpoints": ENDPOINTS, "signatures": {"keys": keys}})]
    other.policies = [policy(models={"endpoints": ENDPOINTS, "signatures": {"keys": keys[::-1]}})]
    assert pod(made) == pod(other)


def test_the_engine_reads_what_the_init_container_wrote_and_cant_write_it() -> None:
    spec = pod(world("s3://models/r1", file="sub/x.gguf"))
    (init,), (engine,) = spec["initContainers"], spec["containers"]
    assert f"/models/{parse('s3://models/r1').key}/sub/x.gguf" in engine["args"]
    mounts = {c["name"]: next(m for m in c["volumeMounts"] if m["name"] == "weights") for c in (init, engine)}
    assert mounts["engine"] == {"name": "weights", "mountPath": "/models", "readOnly": True}
    assert mounts["weights"] == {"name": "weights", "mountPath": "/models"}


def test_only_known_keys_of_a_secret_reach_the_init_container_and_none_the_engine() -> None:
    """A variable such as PYTHONPATH or LD_PRELOAD from a tenant's Secret would run other code than the check's."""
    spec = pod(
        world("s3://models/r1", fetch={"secretName": "reader", "caConfigMapName": "ca", "proxy": "http://p.my:1"})
    )
    (init,), (engine,) = spec["initContainers"], spec["containers"]
    assert "envFrom" not in init
    taken = {e["name"] for e in init["env"] if "valueFrom" in e}
    assert taken == {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "HF_TOKEN",
        "MODELSCOPE_API_TOKEN",
    }
    assert not [e for e in engine["env"] if "valueFrom" in e or "PROXY" in e["name"]]
    assert {m["name"] for m in init["volumeMounts"]} == {"weights", "tmp", "authority"}
    assert "authority" not in {m["name"] for m in engine["volumeMounts"]}


def test_pull_secrets_reach_what_fetches_from_a_registry() -> None:
    made = world("oci://registry.example.my/m", fetch={}, more={"imagePullSecrets": ["first", "second"]})
    volume = next(v for v in pod(made)["volumes"] if v["name"] == "registries")
    assert [s["secret"]["name"] for s in volume["projected"]["sources"]] == ["first", "second"]
    assert [s["secret"]["items"][0]["path"] for s in volume["projected"]["sources"]] == ["0.json", "1.json"]


def test_fetched_weights_have_a_limit_or_a_claim() -> None:
    assert pod(world("s3://models/r1", fetch={"size": "10Gi"}))["volumes"][0]["emptyDir"] == {"sizeLimit": "10Gi"}
    cached = pod(world("s3://models/r1", fetch={"cache": {"storageClassName": "encrypted", "size": "1Gi"}}))
    assert cached["volumes"][0]["persistentVolumeClaim"] == {"claimName": "deepseek-weights"}


def test_the_server_is_the_first_that_all_policies_name() -> None:
    made = world("s3://models/r1")
    assert how(made).endpoint == "https://a.example.my"
    made.policies.append(policy("second", models={"endpoints": {"s3": ["https://b.example.my"]}}))
    assert how(made).endpoint == "https://b.example.my"
    made.policies.append(policy("third"))
    assert "the policies name no s3 server" in how(made).problem


def test_without_an_image_for_the_init_container_nothing_is_run() -> None:
    made = world("s3://models/r1")
    assert how(made).image == WEIGHTS_IMAGE
    made.weights_image = ""
    assert "needs an init container" in how(made).problem


@pytest.mark.parametrize(
    ("uri", "scheme", "head", "path", "revision"),
    [
        ("oci://r.my/a/b:1" + DIGEST, "oci", "r.my", "a/b:1", ""),
        ("pvc://claim", "pvc", "claim", "", ""),
        ("pvc://claim/a/b.gguf" + DIGEST, "pvc", "claim", "a/b.gguf", ""),
        ("s3://bucket/a=1/", "s3", "bucket", "a=1", ""),
        ("hf://Qwen/Qwen3-8B:main" + DIGEST, "hf", "Qwen", "Qwen3-8B", "main"),
        ("ms://a/b", "ms", "a", "b", ""),
    ],
)
def test_a_uri_is_taken_apart(uri: str, scheme: str, head: str, path: str, revision: str) -> None:

    assert re.match(URI_PATTERN, uri)
    source = parse(uri)
    assert (source.scheme, source.head, source.path, source.revision) == (scheme, head, path, revision)
    assert bool(source.digest) == (DIGEST in uri)
