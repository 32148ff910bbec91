"""Mistakes in an AcceleratorProfile are found before it reaches a cluster, each with its field."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.catalog import accelerators
from daulat.check.profiles import doubts, mistakes
from daulat.manifest.paths import dotted

SELECTOR = {"matchLabels": {"v.my/product": "x"}}


def profile(**changes: Any) -> AcceleratorProfileSpec:
    raw = {
        "vendor": {"name": "v", "country": "MY"},
        "family": "f",
        "model": "m",
        "resources": [{"name": "v.my/gpu", "sharing": "Whole", "memoryGiB": 64}],
        "nodeSelector": SELECTOR,
        "devicesPerNode": 8,
        "precisions": ["BF16"],
    }
    return AcceleratorProfileSpec.model_validate({**raw, **changes})


def told(found: Any) -> list[str]:
    return [f"{dotted(path)}: {what}" for path, what in found]


FLAG = {"regime": "X", "note": "n", "source": "s", "asOf": "2026-02-28"}
COMPANION = {"name": "v.my/mem", "sharing": "Partition", "unit": "Companion"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resources": [{"name": "v.my/a", "sharing": "Whole"}] * 2}, 'resources[1].name: duplicate value "v.my/a"'),
        (
            {"resourceFamilies": [{"pattern": "v.my/a-#", "sharing": "Whole"}] * 2},
            'resourceFamilies[1].pattern: duplicate value "v.my/a-#"',
        ),
        ({"engines": [{"name": "vllm"}] * 2}, 'engines[1].name: duplicate value "vllm"'),
        ({"riskFlags": [FLAG] * 2}, 'riskFlags[1].regime: duplicate value "X"'),
        ({"riskFlags": [{**FLAG, "asOf": "2026-02-30"}]}, 'riskFlags[0].asOf: invalid date "2026-02-30"'),
        ({"resources": [COMPANION]}, "resources[0].unit: must not be Companion"),
        (
            {"resources": [{"name": "v.my/a", "sharing": "Whole"}, {**COMPANION, "memoryGiB": 1}]},
            "resources[1].memoryGiB: must not be set on a Companion",
        ),
        (
            {"resources": [{"name": "v.my/a", "sharing": "Whole"}, {**COMPANION, "allocatableMemoryMiB": 1}]},
            "resources[1].allocatableMemoryMiB: must not be set on a Companion",
        ),
        (
            {"resources": [{"name": "v.my/a", "sharing": "Whole", "memoryGiB": 1, "allocatableMemoryMiB": 1025}]},
            "resources[0].allocatableMemoryMiB: must be at most memoryGiB (1024 MiB), not 1025",
        ),
        (
            {
                "resources": [{"name": "v.my/a", "sharing": "Whole"}, {**COMPANION, "name": "v.my/a-mem"}],
                "resourceFamilies": [{"pattern": "v.my/a-*", "sharing": "Partition"}],
            },
            "resourceFamilies[0].unit: v.my/a-* matches v.my/a-mem too, which is a Companion",
        ),
        (
            {"devicesPerNode": 7, "devicesPerPackage": 2},
            "devicesPerNode: must be a multiple of devicesPerPackage (2), not 7",
        ),
        ({"interconnect": {"scope": "Domain"}}, "interconnect: nodeLabel is required if scope is Domain"),
        (
            {"interconnect": {"scope": "Node", "nodeLabel": "a"}},
            "interconnect: nodeLabel is required if scope is Domain",
        ),
        (
            {"interconnect": {"scope": "Node", "devices": 4}},
            "interconnect.devices: must be at least devicesPerNode (8), not 4",
        ),
        ({"labels": [{"key": "other", "writtenBy": "x"}]}, "labels[0].key: must be a key of nodeSelector"),
    ],
)
def test_what_cant_be_meant_is_a_mistake(changes: dict[str, Any], words: str) -> None:
    (found,) = told(mistakes(profile(**changes)))
    assert found.startswith(words)


def test_a_profile_as_it_should_be_has_none() -> None:
    whole = profile(
        labels=[{"key": "v.my/product", "writtenBy": "x"}],
        riskFlags=[FLAG],
        interconnect={"scope": "Node", "devices": 8},
        resourceFamilies=[{"pattern": "v.my/gpu-#", "sharing": "Partition"}],
    )
    assert told(mistakes(whole)) == []
    assert told(doubts("ours", whole, {**accelerators.shipped(), "ours": whole})) == []


def test_two_profiles_that_nothing_tells_apart_are_told() -> None:
    (found,) = told(doubts("ours", profile(), {"ours": profile(), "theirs": profile()}))
    assert found.startswith("nodeSelector: AcceleratorProfile theirs names v.my/gpu for the same nodes")
    other = profile(nodeSelector={"matchLabels": {"v.my/product": "y"}})
    assert told(doubts("ours", profile(), {"theirs": other})) == []


def test_what_sizing_would_miss_is_told_where_models_can_run() -> None:
    plain = {"devicesPerNode": None, "precisions": [], "resources": [{"name": "v.my/gpu", "sharing": "Whole"}]}
    assert told(doubts("ours", profile(**plain), {})) == []
    (found,) = told(doubts("ours", profile(**plain, engines=[{"name": "vllm"}]), {}))
    assert found.endswith("without resources[0].memoryGiB, devicesPerNode, precisions")
