"""What a scenario file may say, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.cluster.errors import ClusterError
from dev.cluster.paths import DEMO_SCENARIO, REAL_NODE_SCENARIO
from dev.cluster.scenario import SITE_LABEL, load, node_manifests, real_nodes, zone_manifests

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


# --- one file that builds on another

OVER = """\
base: scenario.yaml
hardware: {small: {allocatable: {example.com/slot: 2}}}
nodes:
- {name: one-more, kind: real, hardware: small, site: here}
- {name: gpu-too, hardware: big, site: here}
"""


def over(directory: Path, text: str = OVER, base: str = GOOD) -> Path:
    """A file beside the base, which is written as well."""
    scenario_file(directory, base)
    path = directory / "over.yaml"
    path.write_text(text)
    return path


def test_a_file_adds_to_what_it_builds_on(tmp_path: Path) -> None:
    scenario = load(over(tmp_path))
    assert [node["metadata"]["name"] for node in node_manifests(scenario)] == ["gpu-1", "gpu-2", "stray-1", "gpu-too-1"]
    assert [zone["metadata"]["name"] for zone in zone_manifests(scenario)] == ["here"]
    (real,) = real_nodes(scenario)
    assert (real.name, real.labels, real.devices) == ("one-more-1", {SITE_LABEL: "here"}, {"example.com/slot": 2})


def test_what_is_built_on_may_build_on_another(tmp_path: Path) -> None:
    over(tmp_path)
    top = tmp_path / "top.yaml"
    top.write_text("base: over.yaml\nhardware: {}\nnodes: [{name: last, hardware: small}]\n")
    assert [node["metadata"]["name"] for node in node_manifests(load(top))][-1] == "last-1"


def test_a_base_is_found_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    scenario_file(tmp_path, GOOD)
    path = tmp_path / "below" / "over.yaml"
    path.write_text(OVER.replace("scenario.yaml", "../scenario.yaml"))
    assert len(node_manifests(load(path))) == 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: gpu-too", "name: gpu", "nodes: 'gpu-1' occurs twice"),
        ("hardware: {small:", "zones: [{name: here, spec: {}}]\nhardware: {small:", "zones: 'here' occurs twice"),
        ("{small:", "{big:", "hardware: 'big' occurs twice"),
        ("hardware: big", "hardware: bigger", "nodes[1].hardware is 'bigger'; the file has big, small"),
        ("site: here", "site: there", "nodes[0].site is 'there'; the file has here"),
        ("base: scenario.yaml", "base: [scenario.yaml]", "base: Input should be a valid string"),
    ],
)
def test_what_does_not_fit_its_base_is_named_by_its_place_in_the_file(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in OVER
    path = over(tmp_path, OVER.replace(old, new))
    with pytest.raises(ClusterError) as caught:
        load(path)
    assert f"{path}: {said}" in str(caught.value)


def test_what_is_wrong_with_a_base_is_said_of_the_base(tmp_path: Path) -> None:
    path = over(tmp_path, base=GOOD.replace("site: here", "site: there"))
    with pytest.raises(ClusterError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{tmp_path / 'scenario.yaml'}: nodes[0].site is 'there'")


def test_a_base_that_is_missing_is_named_with_who_needs_it(tmp_path: Path) -> None:
    path = over(tmp_path)
    (tmp_path / "scenario.yaml").unlink()
    with pytest.raises(ClusterError) as caught:
        load(path)
    base = tmp_path / "scenario.yaml"
    assert (
        str(caught.value) == f"the scenario {base}, on which {path} builds, can't be read: No such file or directory."
    )


@pytest.mark.parametrize("base", ["over.yaml", "scenario.yaml"])
def test_files_that_build_on_each_other_are_named(tmp_path: Path, base: str) -> None:
    path = over(tmp_path, OVER.replace("scenario.yaml", base), f"base: ./over.yaml\n{GOOD}")
    with pytest.raises(ClusterError, match="builds on itself: ") as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_the_demo_with_a_real_node_is_the_demo_and_that_node() -> None:
    scenario, demo = load(REAL_NODE_SCENARIO), load(DEMO_SCENARIO)
    assert node_manifests(scenario) == node_manifests(demo)
    assert zone_manifests(scenario) == zone_manifests(demo)
    (real,) = real_nodes(scenario)
    assert (real.name, real.devices) == ("real-1", {"example.my/cpu-slot": 2})
    assert real.labels[SITE_LABEL] == "cyberjaya-1"
