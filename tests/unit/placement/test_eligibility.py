"""Which nodes are eligible, and why the others aren't."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.catalog import accelerators
from daulat.facts.unknown import Unknown
from daulat.placement.eligibility import ineligible, profile_of
from daulat.placement.zoning import zone_of_record
from tests.unit.world import H20, NVIDIA_RESOURCE, World, ascend, h20, node, policy, the_policy, zone


def reason(world: World, name: str = "a1") -> str | None:
    snapshot = world.snapshot()
    return ineligible(snapshot.nodes[name], the_policy(snapshot), snapshot)


def test_a_node_of_an_approved_zone_with_an_approved_accelerator_is_eligible() -> None:
    assert reason(World()) is None


def test_a_node_without_accelerators_is_eligible() -> None:
    assert reason(World(nodes=[node("a1")])) is None


def test_a_node_in_no_zone_is_never_eligible() -> None:
    assert reason(World(nodes=[ascend("a1", site="elsewhere")])) == "stands in no zone of record"


def test_a_node_in_two_zones_is_never_eligible() -> None:
    other = zone("twin", nodeSelector={"matchLabels": {"node.kubernetes.io/npu.chip.name": "910B3"}})
    other["spec"]["nodeSelector"] = {"matchLabels": {"node.kubernetes.io/npu.chip.name": "910B3"}}
    assert reason(World(zones=[zone(), other])) == "is claimed by zones cyberjaya-1 and twin"


@pytest.mark.parametrize("labels", [{}, {"topology.kubernetes.io/region": "sg"}])
def test_a_node_whose_region_contradicts_the_record_is_never_eligible(labels: dict[str, str]) -> None:
    found = reason(World(nodes=[ascend("a1", labels=labels)], zones=[zone(regions=["my"])]))
    assert found is not None
    assert found.startswith("contradicts zone cyberjaya-1: its region is ")


def test_a_node_whose_region_agrees_with_the_record_is_eligible() -> None:
    world = World(nodes=[ascend("a1", labels={"topology.kubernetes.io/region": "my"})], zones=[zone(regions=["my"])])
    assert reason(world) is None


def test_a_node_certified_for_a_zone_that_cant_be_read_is_unknown_even_where_another_zone_claims_it() -> None:
    labels = {"daulat.node-restriction.kubernetes.io/zone": "broken"}
    world = World(nodes=[ascend("a1", labels=labels)], zones=[zone(), zone("broken", country="malaysia")])
    snapshot = world.snapshot()
    record = zone_of_record(snapshot.nodes["a1"], snapshot)
    assert isinstance(record, Unknown)
    assert record.reason.startswith("zone broken can't be read: spec.country")
    assert reason(world) == record.reason


def test_a_node_that_cant_be_read_is_never_eligible() -> None:
    assert reason(World(nodes=[node("a1", devices={NVIDIA_RESOURCE: "1.5"})])) == (
        "status.allocatable[nvidia.com/gpu] is '1.5', not a whole number"
    )


@pytest.mark.parametrize(
    ("asked", "spec", "words"),
    [
        ({"countries": ["SG"]}, {}, "is in MY, outside SG"),
        ({"operatorCountries": ["MY"]}, {"operator": {"country": "SG"}}, "is operated from SG"),
        ({"parentCountries": ["MY"]}, {"operator": {"ultimateParentCountry": "US"}}, "whose parent is in US"),
        ({"names": ["johor-1"]}, {}, "is none of johor-1"),
        ({"minimumDataClass": "confidential"}, {"maximumDataClass": "restricted"}, "restricted data at most"),
    ],
)
def test_every_requirement_of_a_zone_must_hold(asked: dict[str, Any], spec: dict[str, Any], words: str) -> None:
    found = reason(World(policies=[policy(zones=asked)], zones=[zone(**spec)]))
    assert found is not None
    assert words in found


CLASSES = ["public", "internal", "restricted", "confidential"]


@pytest.mark.parametrize("minimum", CLASSES)
@pytest.mark.parametrize("maximum", CLASSES)
def test_data_classes_are_ordered_by_sensitivity_and_not_by_name(minimum: str, maximum: str) -> None:
    world = World(policies=[policy(zones={"minimumDataClass": minimum})], zones=[zone(maximumDataClass=maximum)])
    assert (reason(world) is None) == (CLASSES.index(maximum) >= CLASSES.index(minimum))


def test_a_node_with_one_accelerator_that_isnt_approved_is_not_eligible_for_the_others_either() -> None:
    mixed = ascend("a1")
    mixed["status"]["allocatable"]["amd.com/gpu"] = "1"
    assert reason(World(nodes=[mixed])) == "has the accelerator amd.com/gpu, which no approved profile names"
    # Also where they fail just now: they come back, and nobody is asked again then.
    mixed["status"]["capacity"] = {**mixed["status"]["allocatable"]}
    mixed["status"]["allocatable"]["amd.com/gpu"] = "0"
    assert reason(World(nodes=[mixed])) == "has the accelerator amd.com/gpu, which no approved profile names"


def test_an_accelerator_of_count_zero_is_no_accelerator() -> None:
    mixed = ascend("a1")
    mixed["status"]["allocatable"]["amd.com/gpu"] = "0"
    assert reason(World(nodes=[mixed])) is None


def test_another_resource_that_the_policy_names_is_fine() -> None:
    mixed = ascend("a1")
    mixed["status"]["allocatable"]["rdma/hca"] = "1"
    assert reason(World(nodes=[mixed])) is not None
    assert reason(World(nodes=[mixed], policies=[policy(accelerators={"otherResources": ["rdma/hca"]})])) is None


@pytest.mark.parametrize("label", ["NVIDIA-H100-80GB-HBM3", ""])
def test_a_resource_name_alone_does_not_approve_another_product(label: str) -> None:
    assert (
        reason(World(nodes=[h20("a1", labels={"nvidia.com/gpu.product": label})]))
        == "has nvidia.com/gpu of another kind than the approved profiles describe"
    )


def test_a_node_whose_accelerator_an_approved_profile_may_name_is_undecided_where_that_doesnt_exist() -> None:
    assert reason(World(nodes=[h20("a1")], profiles=[])) == (
        "has the accelerator nvidia.com/gpu, and AcceleratorProfile huawei-ascend-910b, which may describe it, doesn't exist"
    )


def test_a_profile_that_isnt_listed_approves_nothing() -> None:
    assert reason(World(policies=[policy(accelerators={"profiles": [H20]})])) == (
        "has the accelerator huawei.com/Ascend910, which no approved profile names"
    )


MIG = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}


@pytest.mark.parametrize(
    ("resource", "fine"),
    [
        ("nvidia.com/mig-1g.10gb", True),
        ("nvidia.com/mig-1g.20gb", True),
        ("nvidia.com/mig-1g.20gb.shared", False),
        ("nvidia.com/gpu", False),
    ],
)
def test_a_partition_that_an_approved_profile_has_a_pattern_for_is_approved(resource: str, fine: bool) -> None:
    approved = policy(accelerators={"profiles": ["nvidia-h100-mig"]})
    world = World(
        nodes=[node("a1", devices={resource: "7"}, labels=MIG)], policies=[approved], profiles=accelerators.manifests()
    )
    assert (reason(world) is None) is fine


def test_a_partition_of_another_product_is_not_what_was_approved() -> None:
    approved = policy(accelerators={"profiles": ["nvidia-a100-80gb-mig"]})
    world = World(
        nodes=[node("a1", devices={"nvidia.com/mig-1g.20gb": "7"}, labels=MIG)],
        policies=[approved],
        profiles=accelerators.manifests(),
    )
    assert reason(world) == "has nvidia.com/mig-1g.20gb of another kind than the approved profiles describe"


@pytest.mark.parametrize(
    ("chip", "resource", "profile"),
    [
        ("910B3", "huawei.com/Ascend910-5c.1cpu.8g", "huawei-ascend-910b-vnpu"),
        ("910B3", "huawei.com/Ascend910-3c.1cpu.8g", "huawei-ascend-910b-vnpu"),
        ("910A", "huawei.com/Ascend910-16c", "huawei-ascend-910a"),
        ("910A", "huawei.com/Ascend910-5c.1cpu.8g", None),
    ],
)
def test_a_partition_belongs_to_the_profile_of_its_chip(chip: str, resource: str, profile: str | None) -> None:
    snapshot = World(nodes=[node("a1", labels={"node.kubernetes.io/npu.chip.name": chip})]).snapshot()
    there = snapshot.nodes["a1"]
    assert not isinstance(there, Unknown)
    assert profile_of(there, resource, accelerators.shipped()) == profile
