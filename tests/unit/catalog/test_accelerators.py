"""The shipped AcceleratorProfiles: every fact has a source, figures are of the right size, names are told apart."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest

from daulat.api.resources import fits
from daulat.catalog import accelerators
from daulat.catalog.sources import unsourced
from daulat.check.profiles import doubts, mistakes

SHIPPED = sorted(accelerators.shipped())
FACTS = {
    "vendor",
    "family",
    "model",
    "resources",
    "resourceFamilies",
    "deviceGroups",
    "namedUser",
    "memoryGiB",
    "allocatableMemoryMiB",
    "dynamicResources",
    "riskFlags",
    "nodeSelector",
    "devicesPerNode",
    "precisions",
    "devicesPerPackage",
    "deviceAccess",
    "engines",
    "runtimeClassName",
    "schedulerName",
    "interconnect",
    "labels",
}
"""Fields of a spec, and the memory of its resources, which isn't read where the names are."""


@pytest.mark.parametrize("name", SHIPPED)
def test_every_fact_has_a_source(name: str) -> None:
    profile = accelerators.shipped()[name]
    given = set(profile.model_dump(by_alias=True, exclude_defaults=True, exclude_none=True))
    if any(r.memory_gi_b for r in profile.resources):
        given.add("memoryGiB")
    if any(r.allocatable_memory_mi_b for r in profile.resources):
        given.add("allocatableMemoryMiB")
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
    # Firmware, error correction and page tables take up to a tenth.
    assert all(0.9 <= (r.allocatable_gib or 0) / r.memory_gi_b <= 1 for r in profile.resources if r.memory_gi_b)
    assert profile.devices_per_node is None or profile.devices_per_node % profile.devices_per_package == 0
    assert len(profile.vendor.country) == 2


def test_whole_devices_that_are_sized_have_nominal_and_allocatable_memory() -> None:
    sized = [
        p for p in accelerators.shipped().values() if p.devices_per_node and p.precisions and p.resources[0].memory_gi_b
    ]
    whole = [p.resources[0] for p in sized if p.resources[0].sharing == "Whole"]
    assert len(whole) >= 13
    assert all(r.allocatable_memory_mi_b is not None for r in whole)


def test_profiles_of_one_resource_are_told_apart_by_nodes() -> None:
    for one, other in combinations(SHIPPED, 2):
        left, right = accelerators.shipped()[one], accelerators.shipped()[other]
        if {r.name for r in left.resources} & {r.name for r in right.resources}:
            assert left.node_selector, one
            assert right.node_selector, other
            assert left.node_selector != right.node_selector, (one, other)


def test_no_pattern_of_one_profile_stands_for_devices_of_another_on_the_same_nodes() -> None:
    for one, other in permutations(SHIPPED, 2):
        left, right = accelerators.shipped()[one], accelerators.shipped()[other]
        found = [r.name for r in right.resources for f in left.resource_families if fits(f.pattern, r.name)]
        assert not found or left.node_selector != right.node_selector, (one, other, found)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_profile_has_no_mistakes_that_daulat_check_would_find(name: str) -> None:
    profile = accelerators.shipped()[name]
    assert list(mistakes(profile)) == []
    # Where memory isn't published, models have to set their count; other doubts are for whoever ships a profile to settle.
    assert [d for d in doubts(name, profile, accelerators.shipped()) if d[0] != ("engines",)] == []


KNOWN = {
    "nvidia.com/gpu": "NVIDIA",
    "nvidia.com/gpu.shared": "NVIDIA",
    "nvidia.com/mig-1g.5gb": "NVIDIA",
    "nvidia.com/mig-7g.141gb": "NVIDIA",
    "nvidia.com/gpumem": "NVIDIA",
    "nvidia.com/gpumem-percentage": "NVIDIA",
    "nvidia.com/gpucores": "NVIDIA",
    "huawei.com/Ascend910": "Huawei",
    "huawei.com/Ascend310": "Huawei",
    "huawei.com/Ascend310P": "Huawei",
    "huawei.com/npu": "Huawei",
    "huawei.com/npu-core": "Huawei",
    "huawei.com/Ascend910-16c": "Huawei",
    "huawei.com/Ascend910-10c.3cpu.16g.ndvpp": "Huawei",
    "huawei.com/Ascend910-3c.1cpu.8g": "Huawei",
    "huawei.com/Ascend310P-4c.4cpu.dvpp": "Huawei",
    "huawei.com/Ascend310P-VPro": "Huawei",
    **{
        f"huawei.com/Ascend{chip}{of}": "Huawei"
        for of in ("", "-memory", "-core")
        for chip in (*("910A", "910B2", "910B3", "910B4", "910B4-1", "310P", "910C"),)
    },
    "huawei.com/ascend-1980": "Huawei",
    "huawei.com/ascend-310": "Huawei",
    "amd.com/gpu": "AMD",
    "amd.com/cpx_nps4": "AMD",
    "amd.com/spx_nps1": "AMD",
    "gpu.intel.com/xe": "Intel",
    "gpu.intel.com/i915": "Intel",
    "habana.ai/gaudi": "Intel",
    "cambricon.com/mlu": "Cambricon",
    "cambricon.com/mlu370": "Cambricon",
    "cambricon.com/mlu370.share": "Cambricon",
    "cambricon.com/mlu370.mim-2m.8gb": "Cambricon",
    "cambricon.com/mlu.smlu.vcore": "Cambricon",
    "cambricon.com/mlu.vmemory": "Cambricon",
    "cambricon.com/vmlu": "Cambricon",
    "cambricon.com/mlunum": "Cambricon",
    "cambricon.com/mlumem": "Cambricon",
    "cambricon.com/mlu370.smlu.vcore": "Cambricon",
    "cambricon.com/mlu590.smlu.vmemory": "Cambricon",
    "hygon.com/dcu": "Hygon",
    "hygon.com/dcunum": "Hygon",
    "hygon.com/hcunum": "Hygon",
    "hygon.com/hcumem": "Hygon",
    "hygon.com/hcucores": "Hygon",
    "hygon.com/dcu-share-30c-8g": "Hygon",
    "iluvatar.com/gpu": "Iluvatar CoreX",
    "iluvatar.ai/gpu": "Iluvatar CoreX",
    "iluvatar.ai/BI-V150-vgpu": "Iluvatar CoreX",
    "iluvatar.ai/MR-V50.vMem": "Iluvatar CoreX",
    "iluvatar.ai/vgpu": "Iluvatar CoreX",
    "iluvatar.ai/vcuda-memory": "Iluvatar CoreX",
    "iluvatar.ai/vcuda-core": "Iluvatar CoreX",
    "metax-tech.com/gpu": "MetaX",
    "metax-tech.com/sgpu": "MetaX",
    "metax-tech.com/vfio-gpu": "MetaX",
    "mthreads.com/gpu": "Moore Threads",
    "mthreads.com/vgpu": "Moore Threads",
    "kunlunxin.com/xpu": "Kunlunxin",
    "kunlunxin.com/vxpu": "Kunlunxin",
    "enflame.com/gcu": "Enflame",
    "enflame.com/vgcu": "Enflame",
    "enflame.com/vgcu-percentage": "Enflame",
    "birentech.com/gpu": "Biren",
    "birentech.com/1-2-gpu": "Biren",
    "vastaitech.com/va": "Vastai",
    "google.com/tpu": "Google",
    "aws.amazon.com/neuron": "AWS",
    "aws.amazon.com/neuroncore": "AWS",
    "furiosa.ai/rngd": "FuriosaAI",
    "beta.furiosa.ai/npu": "FuriosaAI",
    "rebellions.ai/ATOM": "Rebellions",
    "rebellions.ai/REBEL": "Rebellions",
    "rebellions.ai/npu": "Rebellions",
    "tenstorrent.com/chip": "Tenstorrent",
    "tenstorrent.com/n150": "Tenstorrent",
    "qualcomm.com/qaic": "Qualcomm",
    "c600.graphcore.ai/ipu": "Graphcore",
}
"""Resource names that vendors' device plugins and HAMi are known to have, with the vendor."""


@pytest.mark.parametrize("resource", KNOWN)
def test_every_known_resource_is_its_vendors(resource: str) -> None:
    found = {p.vendor.name for p in accelerators.shipped().values() if p.resource(resource) is not None}
    assert found == {KNOWN[resource]}


def test_every_known_driver_is_some_profiles() -> None:
    drivers = {r.driver for p in accelerators.shipped().values() for r in p.dynamic_resources}
    assert drivers >= {
        *(
            "gpu.nvidia.com",
            "npu.huawei.com",
            "gpu.amd.com",
            "gpu.intel.com",
            "gaudi.intel.com",
        ),
        *("tpu.google.com", "neuron.aws.com", "npu.rebellions.ai", "dra.hygon.com", "tenstorrent.com"),
    }


def test_export_control_is_noted_where_sources_name_the_product() -> None:
    """Data with a date and a source. Whether it concerns anybody is said by no profile."""
    noted = {n: {f.regime for f in p.risk_flags} for n, p in accelerators.shipped().items()}
    for name, profile in accelerators.shipped().items():
        if profile.family == "Ascend" and profile.model.startswith(("910B", "910C")):
            assert noted[name] == {"US-GP10"}, name
        if profile.family in ("Ampere", "Hopper", "Blackwell", "Instinct") or profile.model == "L40S":
            assert noted[name] == {"US-EAR-3A090", "US-D5-HQ", "MY-STA-2010"}, name


def test_a_profile_that_doesnt_tell_the_product_has_the_regimes_of_those_that_it_stands_for() -> None:
    """Else a policy that excludes a regime would let the product in under the name of a part of it."""
    shipped = accelerators.shipped()
    for name, product in [
        ("nvidia-gpu-hami", "nvidia-h100"),
        ("nvidia-gpu-shared", "nvidia-h100"),
        ("nvidia-h100-mig", "nvidia-h100"),
        ("amd-gpu-partitions", "amd-mi300x"),
        ("huawei-ascend-910b-vnpu", "huawei-ascend-910b"),
    ]:
        assert {f.regime for f in shipped[name].risk_flags} == {f.regime for f in shipped[product].risk_flags}, name


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
    labels = {n: i.node_label for n, i in domains.items() if i.scope == "Domain"}
    assert labels["huawei-ascend-910c"] == "huawei.com/topotree.superpodid"
    assert labels["nvidia-gb200"] == "nvidia.com/gpu.clique"
    assert all(
        i.devices is None or i.devices >= (accelerators.shipped()[n].devices_per_node or 0) for n, i in domains.items()
    )
