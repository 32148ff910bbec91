"""The shipped AcceleratorProfiles: every fact has a source, figures are of the right size, names are told apart."""

from __future__ import annotations

from itertools import combinations

import pytest

from daulat.catalog import accelerators
from daulat.catalog.sources import unsourced

SHIPPED = sorted(accelerators.shipped())
FACTS = {
    "vendor",
    "family",
    "model",
    "resources",
    "memoryGiB",
    "deviceClassNames",
    "riskFlags",
    "nodeSelector",
    "devicesPerNode",
    "precisions",
    "devicesPerPackage",
    "deviceAccess",
    "engines",
    "drivers",
    "runtimeClassName",
    "interconnect",
    "labels",
}
"""Fields of a spec, and the memory of its resources, which nobody reads where the names are read."""


@pytest.mark.parametrize("name", SHIPPED)
def test_every_fact_has_a_source(name: str) -> None:
    profile = accelerators.shipped()[name]
    given = set(profile.model_dump(by_alias=True, exclude_defaults=True, exclude_none=True))
    if any(r.memory_gi_b for r in profile.resources):
        given.add("memoryGiB")
    assert unsourced(given, FACTS, accelerators.sources()[name]) == (set(), set())
    assert unsourced(FACTS, FACTS, accelerators.sources()[name])[0] == FACTS - given, "a source for what isn't there"


@pytest.mark.parametrize("name", SHIPPED)
def test_figures_are_of_the_right_size(name: str) -> None:
    profile = accelerators.shipped()[name]
    names = [r.name for r in profile.resources]
    assert len(names) == len(set(names))
    assert profile.resources[0].unit == "Device"
    assert all(r.memory_gi_b is None or 8 <= r.memory_gi_b <= 288 for r in profile.resources)
    assert all(r.memory_gi_b is None for r in profile.resources if r.unit == "Companion")
    assert profile.devices_per_node is None or profile.devices_per_node % profile.devices_per_package == 0
    assert len(profile.vendor.country) == 2


def test_profiles_of_one_resource_are_told_apart_by_nodes() -> None:
    for one, other in combinations(SHIPPED, 2):
        left, right = accelerators.shipped()[one], accelerators.shipped()[other]
        if {r.name for r in left.resources} & {r.name for r in right.resources}:
            assert left.node_selector, one
            assert right.node_selector, other
            assert left.node_selector != right.node_selector, (one, other)


def test_every_vendor_of_the_research_is_there() -> None:
    vendors = {p.vendor.name for p in accelerators.shipped().values()}
    assert vendors >= {
        *("NVIDIA", "Huawei", "AMD", "Intel", "Cambricon", "Hygon", "Iluvatar CoreX", "MetaX", "Moore Threads"),
        *("Kunlunxin", "Enflame", "Biren", "Vastai", "Google", "AWS", "FuriosaAI", "Rebellions", "Tenstorrent"),
        *("Qualcomm", "Graphcore"),
    }


def test_labels_that_tell_a_product_say_who_writes_them() -> None:
    """Whoever can write such a label can make other hardware pass for this."""
    for name, profile in accelerators.shipped().items():
        selected = profile.node_selector.label_keys() if profile.node_selector else frozenset()
        assert {label.key for label in profile.labels} <= selected, name
        if profile.vendor.name in ("NVIDIA", "Huawei") and profile.labels == ():
            assert not selected & {"nvidia.com/gpu.product", "node.kubernetes.io/npu.chip.name"}, name


def test_a_domain_is_told_by_a_label() -> None:
    domains = {n: p.interconnect for n, p in accelerators.shipped().items() if p.interconnect}
    assert all((i.scope == "Domain") == (i.node_label is not None) for i in domains.values())
    assert "huawei-ascend-910c" in domains
    assert all(
        i.devices is None or i.devices >= (accelerators.shipped()[n].devices_per_node or 0) for n, i in domains.items()
    )
