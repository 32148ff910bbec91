"""What Karmada makes of Daulat's kinds: the scripts of contrib/karmada, run in Lua 5.1 with the libraries that Karmada loads."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from lupa import lua51

from daulat.api import crd
from daulat.api.kinds import KINDS

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "contrib" / "karmada").glob("*.yaml"))
SCHEMAS = json.loads((ROOT / "tests" / "schemas" / "karmada.json").read_text())
Raw = dict[str, Any]
CUSTOMIZATIONS = {c["spec"]["target"]["kind"]: c for c in (yaml.safe_load(f.read_text()) for f in FILES)}
BARRED = ["collectgarbage", "dofile", "getfenv", "getmetatable", "load", "loadfile", "loadstring", "rawequal", "rawget"]
BARRED += ["rawset", "setfenv", "setmetatable", "module", "newproxy"]
AT = "2026-11-29T01:00:00Z"


def call(kind: str, operation: str, function: str, *arguments: Any) -> Any:
    """Run a script as Karmada does: in a state of its own, without the functions that Karmada takes away."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
    for name in [*BARRED, "io", "debug"]:
        lua.execute(f"{name} = nil")
    lua.execute(CUSTOMIZATIONS[kind]["spec"]["customizations"][operation]["luaScript"])
    given = [lua.table_from(a, recursive=True) if isinstance(a, dict | list) else a for a in arguments]
    return python(lua.globals()[function](*given))


def python(value: Any) -> Any:
    """Return a Lua value as Karmada encodes it: a table with the keys 1 to n is a list."""
    if lua51.lua_type(value) == "table":
        found = {k: python(v) for k, v in value.items()}
        return list(found.values()) if set(found) == set(range(1, len(found) + 1)) else found
    if isinstance(value, tuple):
        return tuple(map(python, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def condition(
    type_: str = "Ready", status: str = "True", reason: str = "Applied", message: str = "fine", at: str = AT
) -> Raw:
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": at}


def template(**spec: Any) -> Raw:
    return {"metadata": {"name": "x", "namespace": "treasury", "generation": 3, "creationTimestamp": AT}, "spec": spec}


def observed(*conditions: Raw, **status: Any) -> Raw:
    """Return an object in a member cluster that has seen the third generation of its template."""
    annotations = {"resourcetemplate.karmada.io/generation": "3"}
    metadata = {"name": "x", "generation": 7, "annotations": annotations}
    return {
        "metadata": metadata,
        "spec": {},
        "status": {"observedGeneration": 7, "conditions": list(conditions), **status},
    }


def items(kind: str, **by_cluster: Raw | None) -> list[Raw]:
    """Return what Karmada has of each cluster, as the reflection gives it."""
    found = []
    for name, each in by_cluster.items():
        status = call(kind, "statusReflection", "ReflectStatus", each) if each else None
        found.append({"clusterName": name, "applied": True, **({"status": status} if status else {})})
    return found


def aggregated(kind: str, *, desired: Raw | None = None, **by_cluster: Raw | None) -> Raw:
    made = call(kind, "statusAggregation", "AggregateStatus", desired or template(), items(kind, **by_cluster))
    status: Raw = made["status"]
    return status


def of_type(status: Raw, type_: str) -> tuple[str, str, str]:
    (found,) = [c for c in status["conditions"] if c["type"] == type_]
    return found["status"], found["reason"], found["message"]


def strict(node: Any) -> Any:
    """Return a schema without what the API server would prune silently: fields that aren't listed."""
    if isinstance(node, list):
        return [strict(n) for n in node]
    if not isinstance(node, dict):
        return node
    made = {k: strict(v) for k, v in node.items() if not k.startswith("x-kubernetes") and k != "format"}
    return {**made, "additionalProperties": False} if "properties" in made and made.get("type") == "object" else made


kinds = pytest.mark.parametrize("kind", [k.kind for k in KINDS])


def test_every_kind_has_a_customization_that_karmada_takes() -> None:
    assert set(CUSTOMIZATIONS) == {k.kind for k in KINDS}
    for customization in CUSTOMIZATIONS.values():
        Draft202012Validator(SCHEMAS["ResourceInterpreterCustomization"]).validate(customization)


@pytest.mark.parametrize("file", sorted((ROOT / "examples" / "karmada").glob("*.yaml")), ids=lambda f: f.name)
def test_the_examples_are_what_karmada_takes(file: Path) -> None:
    for each in yaml.safe_load_all(file.read_text()):
        # A PropagationPolicy has the same spec.
        Draft202012Validator(SCHEMAS["ClusterPropagationPolicy"]).validate(each)


@kinds
def test_an_object_is_healthy_once_ready_holds_for_what_is_applied(kind: str) -> None:
    def healthy(each: Raw) -> Any:
        return call(kind, "healthInterpretation", "InterpretHealth", each)

    assert healthy(observed(condition("Other", "False"), condition()))
    assert not healthy(observed(condition(status="False")))
    assert not healthy(observed(condition(status="Unknown")))
    assert not healthy(observed(condition(), observedGeneration=6))
    assert not healthy(observed())
    assert not healthy({"metadata": {"generation": 1}, "spec": {}})


@kinds
def test_the_worst_of_the_clusters_is_told_with_its_name(kind: str) -> None:
    bad = condition(status="False", reason="Broken", message="no node", at="2026-11-29T02:00:00Z")
    status = aggregated(kind, one=observed(condition()), two=observed(bad), three=observed(condition()))
    assert of_type(status, "Ready") == ("False", "Broken", "two: no node")
    good = aggregated(kind, one=observed(condition()), two=observed(condition(at="2026-11-29T03:00:00Z")))
    assert of_type(good, "Ready") == ("True", "Applied", "one: fine; two: fine")
    assert good["conditions"][0]["lastTransitionTime"] == "2026-11-29T03:00:00Z"
    assert good["observedGeneration"] == good["conditions"][0]["observedGeneration"] == 3


@kinds
def test_a_weakness_of_one_cluster_is_told(kind: str) -> None:
    weak = condition("WeakEvidence", "True", "SelectsUnprotectedLabels", "by a label of others")
    status = aggregated(kind, one=observed(condition("WeakEvidence", "False")), two=observed(weak))
    assert of_type(status, "WeakEvidence") == ("True", "SelectsUnprotectedLabels", "two: by a label of others")


@kinds
def test_what_is_in_no_cluster_or_has_no_status_is_not_ready(kind: str) -> None:
    assert of_type(aggregated(kind), "Ready") == ("Unknown", "NotPropagated", "in no cluster")
    status = aggregated(kind, one=observed(condition()), two=None)
    assert of_type(status, "Ready") == ("Unknown", "NoStatus", "two: no status yet")
    assert "observedGeneration" not in status
    made = call(kind, "statusAggregation", "AggregateStatus", template(), None)
    assert of_type(made["status"], "Ready")[0] == "Unknown"


@kinds
def test_a_cluster_that_has_not_seen_the_template_holds_the_generation_back(kind: str) -> None:
    before = {**template(), "status": {"observedGeneration": 2}}
    for late in (observed(condition(), observedGeneration=6), observed(condition())):
        if late["status"]["observedGeneration"] == 7:
            late["metadata"]["annotations"] = {}
        status = aggregated(kind, desired=before, one=observed(condition()), two=late)
        assert status["observedGeneration"] == 2


@kinds
def test_the_aggregated_status_fits_the_kind_s_own_definition(kind: str) -> None:
    (definition,) = [m for m in crd.manifests() if m["spec"]["names"]["kind"] == kind]
    schema = strict(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"])
    counts = dict.fromkeys(("nodes", "conflictingNodes", "devices", "namespaces", "eligibleNodes"), 2)
    counts |= {"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2}
    own = {k: v for k, v in counts.items() if k in schema["properties"]}
    texts = {"phase": "Ready", "ready": "1/2", "selector": "a=b"} if kind == "SovereignModel" else {}
    status = aggregated(kind, one=observed(condition(), **own, **texts), two=observed(condition(), **own, **texts))
    Draft202012Validator(schema).validate(status)
    assert {k: status[k] for k in own} == {k: 2 * v for k, v in own.items()}


def test_a_model_counts_its_replicas_over_the_clusters() -> None:
    one = observed(condition(), ready="2/2", phase="Ready", selector="daulat.dev/model=x")
    two = observed(condition(status="False"), ready="0/1", phase="Placing", selector="daulat.dev/model=x")
    status = aggregated("SovereignModel", one=one, two=two)
    assert (status["ready"], status["phase"], status["selector"]) == ("2/3", "Placing", "daulat.dev/model=x")


def retained(kind: str, desired: Raw, there: Raw) -> Raw:
    made: Raw = call(kind, "retention", "Retain", desired, there)
    return made


def test_replicas_stay_with_an_autoscaler_or_where_the_label_says_so() -> None:
    there = template(replicas=5)
    assert retained("SovereignModel", template(replicas=2), there)["spec"]["replicas"] == 2
    scaled = template(autoscaling={"maxReplicas": 8})
    assert retained("SovereignModel", scaled, there)["spec"]["replicas"] == 5
    labelled = template(replicas=2)
    labelled["metadata"]["labels"] = {"resourcetemplate.karmada.io/retain-replicas": "true"}
    assert retained("SovereignModel", labelled, there)["spec"]["replicas"] == 5


def test_karmada_divides_the_replicas_of_models_without_an_autoscaler() -> None:
    def replicas(each: Raw) -> Any:
        return call("SovereignModel", "replicaResource", "GetReplicas", each)[0]

    def revised(each: Raw) -> Any:
        return call("SovereignModel", "replicaRevision", "ReviseReplica", each, 4)["spec"].get("replicas")

    scaled = template(autoscaling={"maxReplicas": 8})
    assert [replicas(m) for m in (template(replicas=3), template(x=1), scaled)] == [3, 1, 0]
    assert [revised(m) for m in (template(replicas=3), scaled)] == [4, None]


def test_what_a_model_names_in_its_namespace_goes_with_it() -> None:
    spec = {
        "model": {"fetch": {"secretName": "hub", "caConfigMapName": "ca"}},
        "imagePullSecrets": ["pull", "hub"],
        "engine": {"apiKeySecret": {"name": "key", "key": "k"}},
        "volumes": [
            {"name": "a", "configMap": {"name": "settings"}},
            {"name": "b", "secret": {"secretName": "licence"}},
            {"name": "c", "projected": {"sources": [{"configMap": {"name": "part"}}, {"secret": {"name": "other"}}]}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
        ],
    }
    found = call("SovereignModel", "dependencyInterpretation", "GetDependencies", template(**spec))
    secrets, maps = ("pull", "hub", "key", "licence", "other"), ("ca", "settings", "part")
    assert {(d["kind"], d["name"]) for d in found} == {("Secret", s) for s in secrets} | {
        ("ConfigMap", m) for m in maps
    }
    assert all((d["apiVersion"], d["namespace"]) == ("v1", "treasury") for d in found)
    assert len(found) == len(secrets) + len(maps)
    assert not call("SovereignModel", "dependencyInterpretation", "GetDependencies", template(model={}))


def test_approvals_of_a_cluster_stay_as_long_as_what_was_approved_does() -> None:
    asked = {
        "policy": "confidential",
        "controls": ["SUP-01", "STO-07"],
        "namespaces": ["a"],
        "reason": "r",
        "requestedBy": "k",
    }
    asked["expiresAt"] = AT
    there = template(**asked, approvals=[{"user": "ciso", "reference": "T-1"}])
    assert retained("SovereigntyExemption", template(**asked), there)["spec"] == there["spec"]
    for field, value in (
        ("controls", ["SUP-01"]),
        ("controls", ["STO-07", "SUP-01"]),
        ("expiresAt", "2027-01-01T00:00:00Z"),
    ):
        changed = copy.deepcopy({**asked, field: value})
        assert "approvals" not in retained("SovereigntyExemption", template(**changed), there)["spec"]


def test_a_batch_that_is_released_in_a_cluster_stays_released() -> None:
    there = template(drift={"action": "Evict", "release": AT})
    assert retained("SovereigntyPolicy", template(drift={"action": "Evict"}), there)["spec"] == there["spec"]
    assert retained("SovereigntyPolicy", template(action="Warn"), there)["spec"]["drift"] == {"release": AT}
    own = template(drift={"release": "2026-11-30T00:00:00Z"})
    assert retained("SovereigntyPolicy", own, there)["spec"] == own["spec"]
