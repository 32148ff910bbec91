"""What is rendered is what other programs take: Kubernetes from 1.34 to 1.37 by its own documents, MindIE by what it documents."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from daulat.catalog import accelerators
from tests.unit.world import ASCEND, World, choice, model

from .test_rendering import GOLDEN, engine_of, env_of, rendered, world_of

SCHEMAS = Path(__file__).parents[2] / "schemas"
GROUPS = {
    "apps/v1": "apps.v1",
    "autoscaling/v2": "autoscaling.v2",
    "v1": "core.v1",
    "networking.k8s.io/v1": "networking.v1",
    "policy/v1": "policy.v1",
    "resource.k8s.io/v1": "resource.v1",
}


@cache
def kubernetes(version: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SCHEMAS / f"kubernetes-{version}.json").read_text())
    return document


def problems(version: str, manifest: dict[str, Any]) -> list[str]:
    name = f"io.k8s.api.{GROUPS[manifest['apiVersion']]}.{manifest['kind']}"
    schema = {**kubernetes(version), "$ref": f"#/definitions/{name}"}
    return [f"{e.json_path}: {e.message}" for e in jsonschema.Draft7Validator(schema).iter_errors(manifest)]


@pytest.mark.parametrize("version", ["1.34", "1.37"])
@pytest.mark.parametrize("golden", sorted(p.name for p in GOLDEN.glob("*.yaml")))
def test_what_is_rendered_is_what_kubernetes_takes(golden: str, version: str) -> None:
    for manifest in yaml.safe_load_all((GOLDEN / golden).read_text()):
        assert problems(version, manifest) == []


EVERYWHERE = [(p, e.name) for p, spec in sorted(accelerators.shipped().items()) for e in spec.engines]


@pytest.mark.parametrize(("profile", "engine"), [*EVERYWHERE, *((p, "custom") for p in sorted(accelerators.shipped()))])
def test_what_is_rendered_for_every_shipped_accelerator_is_what_kubernetes_takes(profile: str, engine: str) -> None:
    for manifest in rendered(world_of(profile, engine)):
        assert [problems(version, manifest) for version in ("1.34", "1.37")] == [[], []]


@pytest.mark.parametrize(
    ("uri", "fetch"),
    [
        ("s3://models/r1", {"secretName": "s", "caConfigMapName": "c", "proxy": "http://p.my:1", "size": "1Gi"}),
        ("hf://o/n:main", {"endpoint": "https://hub.example.my"}),
        ("oci://registry.example.my/m", {}),
    ],
)
@pytest.mark.parametrize("version", ["1.34", "1.37"])
def test_what_fetches_weights_is_what_kubernetes_takes(uri: str, fetch: dict[str, Any], version: str) -> None:
    endpoint = {"endpoint": "https://s3.example.my"} if uri.startswith("s3") else {}
    world = World(models=[model(model={"uri": uri, "fetch": {**endpoint, **fetch}}, imagePullSecrets=["pull"])])
    for manifest in rendered(world):
        assert problems(version, manifest) == []


def test_the_schemas_find_what_is_wrong() -> None:
    manifest = rendered(World())[-1]
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["port"] = [1]
    container["env"].append({"name": 1})
    assert len(problems("1.37", manifest)) == 2


@pytest.mark.parametrize("engine", [{"context": 32768}, {"context": 4096, "concurrency": 8}, {"concurrency": 64}])
@pytest.mark.parametrize("count", [1, 4, 8])
def test_minds_configuration_is_what_it_documents(engine: dict[str, int], count: int) -> None:
    world = World(models=[model(engine={"name": "mindie", **engine}, accelerators=[choice(ASCEND, count)])])
    configuration = json.loads(env_of(world)["MINDIE_CONFIG"])
    jsonschema.validate(configuration, json.loads((SCHEMAS / "mindie.json").read_text()))
    backend = configuration["BackendConfig"]
    assert backend["npuDeviceIds"] == [list(range(count))]
    deployed = backend["ModelDeployConfig"]
    assert deployed["maxSeqLen"] == engine.get("context", 131072)
    (served,) = deployed["ModelConfig"]
    assert (served["worldSize"], served["modelWeightPath"]) == (count, "/models")
    assert served["trustRemoteCode"] is False
    assert backend["ScheduleConfig"]["maxBatchSize"] == engine.get("concurrency", 200)
    assert engine_of(world)["args"] == []
