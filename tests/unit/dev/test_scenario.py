"""What a scenario file may say, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.cluster.errors import ClusterError
from dev.cluster.paths import DEMO_SCENARIO
from dev.cluster.scenario import SITE_LABEL, load, node_manifests, zone_manifests

GOOD = """\
hardware:
  big: {allocatable: {cpu: 8, example.com/gpu: 4}, labels: {example.com/gpu.product: X}, annotations: {a: b}}
zones: [{name: here, spec: {country: MY}}]
nodes:
- {name: gpu, count: 2, hardware: big, site: here, region: my, zone: my-a}
- {name: stray, hardware: big}
"""


def scenario_file(directory: Path, text: str) -> Path:
    path = directory / "scenario.yaml"
    path.write_text(text)
    return path


def test_a_group_becomes_as_many_numbered_nodes(tmp_path: Path) -> None:
    nodes = node_manifests(load(scenario_file(tmp_path, GOOD)))
    assert [node["metadata"]["name"] for node in nodes] == ["gpu-1", "gpu-2", "stray-1"]


def test_a_node_carries_its_hardware_and_its_place(tmp_path: Path) -> None:
    node = node_manifests(load(scenario_file(tmp_path, GOOD)))[0]
    labels = node["metadata"]["labels"]
    assert labels[SITE_LABEL] == "here"
    assert labels["topology.kubernetes.io/region"] == "my"
    assert labels["topology.kubernetes.io/zone"] == "my-a"
    assert labels["example.com/gpu.product"] == "X"
    assert labels["kubernetes.io/hostname"] == "gpu-1"
    assert node["metadata"]["annotations"] == {"a": "b", "kwok.x-k8s.io/node": "fake"}
    assert node["status"]["allocatable"] == {"pods": "110", "cpu": "8", "example.com/gpu": "4"}
    assert node["status"]["capacity"] == node["status"]["allocatable"]


def test_a_node_without_a_site_has_no_site_label(tmp_path: Path) -> None:
    stray = node_manifests(load(scenario_file(tmp_path, GOOD)))[2]
    assert SITE_LABEL not in stray["metadata"]["labels"]


def test_a_zone_keeps_its_spec(tmp_path: Path) -> None:
    (zone,) = zone_manifests(load(scenario_file(tmp_path, GOOD)))
    assert zone["kind"] == "SovereignZone"
    assert zone["metadata"] == {"name": "here"}
    assert zone["spec"] == {"country": "MY"}


def test_the_demo_has_a_node_of_each_situation() -> None:
    nodes = {node["metadata"]["name"]: node for node in node_manifests(load(DEMO_SCENARIO))}
    assert len(nodes) == 12
    assert nodes["ascend-1"]["status"]["allocatable"]["huawei.com/Ascend910"] == "8"
    assert nodes["ascend-1"]["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
    assert SITE_LABEL not in nodes["stray-1"]["metadata"]["labels"]
    assert nodes["lab-1"]["status"]["allocatable"]["amd.com/gpu"] == "8"


def test_each_demo_zone_selects_by_its_own_site() -> None:
    for zone in zone_manifests(load(DEMO_SCENARIO)):
        assert zone["spec"]["nodeSelector"] == {"matchLabels": {SITE_LABEL: zone["metadata"]["name"]}}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count: 2", "count: 0", "nodes[0].count: Input should be greater than"),
        ("count: 2", "count: true", "nodes[0].count: Input should be a valid integer"),
        ("count: 2", "count: lots", "nodes[0].count: Input should be a valid integer"),
        ("hardware: big, site", "hardware: bigger, site", "nodes[0].hardware is 'bigger'; the file has big"),
        ("site: here", "site: there", "nodes[0].site is 'there'; the file has here"),
        ("hardware: big}", "hardware: big, colour: red}", "nodes[1].colour: Extra inputs are not permitted"),
        ("hardware: big}", "}", "nodes[1].hardware: Field required"),
        ("name: stray", "name: Stray_Node", "nodes[1].name: String should match pattern"),
        ("name: stray", "name: gpu", "nodes: 'gpu-1' occurs twice"),
        ("zone: my-a", "zone: 7", "nodes[0].zone: Input should be a valid string"),
        ("annotations: {a: b}", "annotations: {a: true}", "hardware.big.annotations.a: Input should be a valid string"),
        (
            "labels: {example.com/gpu.product: X}",
            "labels: [x]",
            "hardware.big.labels: Input should be a valid dictionary",
        ),
        ("spec: {country: MY}", "spec: MY", "zones[0].spec: Input should be a valid dictionary"),
        ("zones: [{name: here, spec: {country: MY}}]", "zones: here", "zones: Input should be a valid tuple"),
        ("zones: [{name: here, spec: {country: MY}}]", "zones: [here]", "zones[0]: Input should be a valid dictionary"),
        ("zones: [{", "zones: [{name: here, spec: {}}, {", "zones: 'here' occurs twice"),
    ],
)
def test_a_wrong_field_is_named_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    path = scenario_file(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ClusterError) as caught:
        load(path)
    assert f"{path}: {said}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "word"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ClusterError, match="Input should be a valid dictionary"):
        load(scenario_file(tmp_path, text))


def test_a_file_that_is_not_yaml_says_where(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"is not YAML: .*line 1"):
        load(scenario_file(tmp_path, "hardware: {a: ["))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"nowhere\.yaml can't be read: No such file"):
        load(tmp_path / "nowhere.yaml")
