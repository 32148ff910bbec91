"""The CRDs are structural and described, and say what the design says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from daulat.api import crd
from daulat.api.forms import LONGEST
from daulat.api.kinds import KINDS, Kind, by_kind
from daulat.facts.declared import Unparsable, parse_declared
from tests.unit.world import model

NAMES = {
    "SovereignModel": ("sovereignmodels", "smodel", "Namespaced"),
    "SovereigntyPolicy": ("sovereigntypolicies", "spolicy", "Cluster"),
    "SovereignZone": ("sovereignzones", "szone", "Cluster"),
    "AcceleratorProfile": ("acceleratorprofiles", "accel", "Cluster"),
    "SovereigntyExemption": ("sovereigntyexemptions", "sexempt", "Cluster"),
    "NodeAttestation": ("nodeattestations", "nattest", "Cluster"),
    "AcceleratorInventory": ("acceleratorinventories", "ainv", "Cluster"),
}
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
NOT_STRUCTURAL = {"$ref", "$defs", "anyOf", "allOf", "oneOf", "patternProperties", "title", "const", "definitions"}


def schema_of(kind: Kind) -> dict[str, Any]:
    found: dict[str, Any] = crd.manifest(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def walk(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from walk(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from walk(node[key], f"{path}[]")


@kinds
def test_names_are_those_of_the_design(kind: Kind) -> None:
    plural, short, scope = NAMES[kind.kind]
    manifest = crd.manifest(kind)
    names = manifest["spec"]["names"]
    assert manifest["metadata"]["name"] == f"{plural}.daulat.dev"
    assert (names["plural"], names["shortNames"], manifest["spec"]["scope"]) == (plural, [short], scope)
    assert names.get("categories") == (None if kind.kind in ("AcceleratorProfile", "NodeAttestation") else ["daulat"])
    assert (names["listKind"], names["singular"]) == (f"{kind.kind}List", kind.kind.lower())
    assert [v["name"] for v in manifest["spec"]["versions"]] == ["v1alpha1"]


def test_there_are_exactly_these_kinds() -> None:
    assert {k.kind for k in KINDS} == set(NAMES)
    assert len(crd.manifests()) == len(NAMES)
    with pytest.raises(KeyError):
        by_kind("Pod")


@kinds
def test_every_node_of_the_schema_has_one_type(kind: Kind) -> None:
    for path, node in walk(schema_of(kind)):
        known = node.get("x-kubernetes-preserve-unknown-fields") or node.get("x-kubernetes-int-or-string")
        assert isinstance(node.get("type"), str) or known, path
        assert not NOT_STRUCTURAL & set(node), path
        assert not ("properties" in node and "additionalProperties" in node), path


@kinds
def test_every_field_is_described(kind: Kind) -> None:
    schema = schema_of(kind)
    assert schema["description"]
    for part in ("spec", "status"):
        missing = [
            path
            for path, node in walk(schema["properties"][part], part)
            if not path.endswith("]") and not node.get("description")
        ]
        assert missing == []


@kinds
def test_every_list_and_map_and_text_of_a_spec_is_bounded(kind: Kind) -> None:
    """The API server charges a CEL rule for the longest list it could meet."""
    for path, node in walk(schema_of(kind)["properties"]["spec"], "spec"):
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if "additionalProperties" in node:
            assert "maxProperties" in node, path


@kinds
def test_what_is_required_exists_and_has_no_default(kind: Kind) -> None:
    for path, node in walk(schema_of(kind)):
        for name in node.get("required", ()):
            assert name in node["properties"], path
            assert "default" not in node["properties"][name], path


@kinds
def test_the_status_is_a_subresource_and_only_a_model_scales(kind: Kind) -> None:
    sub = crd.manifest(kind)["spec"]["versions"][0]["subresources"]
    assert sub["status"] == {}
    assert ("scale" in sub) == (kind.kind == "SovereignModel")


@kinds
def test_columns_and_scale_read_fields_that_exist(kind: Kind) -> None:
    version = crd.manifest(kind)["spec"]["versions"][0]
    paths = [c["jsonPath"] for c in version["additionalPrinterColumns"]]
    paths += list(version["subresources"].get("scale", {}).values())
    for path in paths:
        if path.startswith(".metadata"):
            continue
        node = schema_of(kind)
        for part in path.removeprefix(".").split("[")[0].split("."):
            assert part in node["properties"], path
            node = node["properties"][part]


@kinds
def test_a_printer_column_is_named_once(kind: Kind) -> None:
    names = [c.name for c in kind.columns]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("kind", "shown"),
    {
        "SovereignModel": ["Model", "Phase", "Ready", "Zone", "Accelerator", "Reason", "Age"],
        "SovereigntyPolicy": ["Action", "Enforced", "Upheld", "Reason", "Namespaces", "Nodes", "Age"],
        "SovereigntyExemption": ["Policy", "Controls", "Active", "Why", "Expires", "Age"],
        "NodeAttestation": ["Node", "Facility", "Country", "Authority", "Accepted", "Reason", "Until", "Age"],
        "AcceleratorInventory": ["Chips", "Seen", "Gone", "Outside", "Undeclared", "Accounted", "Reason", "Age"],
    }.items(),
)
def test_kubectl_get_shows_the_reason_without_a_wider_format(kind: str, shown: list[str]) -> None:
    columns = crd.manifest(by_kind(kind))["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [c["name"] for c in columns if not c.get("priority", 0)] == shown


@kinds
def test_no_definition_is_too_large_for_a_client_side_apply(kind: Kind) -> None:
    """kubectl keeps what it applied in an annotation; all annotations of an object have room for 262,144 bytes."""
    assert len(json.dumps(crd.manifest(kind)).encode()) < 200_000


@kinds
def test_the_schema_is_the_same_each_time_and_shares_nothing(kind: Kind) -> None:
    one, two = crd.manifest(kind), crd.manifest(kind)
    assert one == two
    one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].clear()
    assert two == crd.manifest(kind)


def test_defaults_are_few_and_harmless() -> None:
    found = {f"{k.kind}{p}": n["default"] for k in KINDS for p, n in walk(schema_of(k)) if "default" in n}
    assert list(found.pop("SovereigntyPolicy.spec.schedulers")) == ["system:kube-scheduler"]
    assert found == {"SovereignModel.spec.replicas": 1, "SovereigntyPolicy.spec.action": "Enforce"}


def test_a_field_of_two_types_is_an_error_of_ours() -> None:
    class Two(BaseModel):
        value: int | str

    with pytest.raises(ValueError, match="one type"):
        crd.schema_of(Two)


def test_a_policy_cant_take_the_name_of_a_label_of_record() -> None:
    rules = schema_of(by_kind("SovereigntyPolicy"))["x-kubernetes-validations"]
    assert any("zone" in r["rule"] and "site" in r["rule"] for r in rules)


@kinds
def test_no_long_regular_expression_reaches_users(kind: Kind) -> None:
    """The API server shows a pattern as it is, and has no words for it."""
    for path, node in walk(schema_of(kind)):
        assert len(node.get("pattern", "")) <= LONGEST, path
        assert all("^" not in rule["message"] for rule in node.get("x-kubernetes-validations", ())), path


def test_a_uri_that_is_none_is_told_in_words() -> None:
    spec = model(model={"uri": "https://huggingface.co/deepseek-ai/DeepSeek-R1"})
    found = parse_declared("SovereignModel", spec)
    assert isinstance(found, Unparsable)
    assert "starts with oci://, pvc://, s3://, hf:// or ms://" in found.reason
    assert "^" not in found.reason


@kinds
def test_no_engine_deletes_a_definition_with_all_objects_of_its_kind(kind: Kind) -> None:
    annotations = crd.manifest(kind)["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/sync-options"] == "Delete=false,Prune=false"
    assert annotations["kustomize.toolkit.fluxcd.io/prune"] == "disabled"
    assert annotations["helm.sh/resource-policy"] == "keep"
