"""Patterns of resource names: they stand for what they say, in Python and in CEL alike."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daulat.admission.literals import literal
from daulat.api.accelerator import AcceleratorProfileSpec, DeviceResource, ResourceFamily
from daulat.api.resources import expression, fits
from daulat.cel.evaluator import evaluate
from daulat.cel.request import Request

MIG = "nvidia.com/mig-#g.#gb"


@pytest.mark.parametrize(
    ("pattern", "name", "stands"),
    [
        (MIG, "nvidia.com/mig-1g.10gb", True),
        (MIG, "nvidia.com/mig-7g.141gb", True),
        (MIG, "nvidia.com/mig-1g.10gb.me", False),
        (MIG, "nvidia.com/mig-1g.10gb.shared", False),
        (MIG, "nvidia.com/mig-1gx10gb", False),
        (MIG, "nvidia.com/mig-g.gb", False),
        (MIG, "nvidia.com/gpu", False),
        (MIG, "evil-nvidia.com/mig-1g.10gb", False),
        (MIG, "nvidia.com/mig-1g.10gb\n", False),
        ("huawei.com/Ascend910-*", "huawei.com/Ascend910-10c.3cpu.16g.ndvpp", True),
        ("huawei.com/Ascend910-*", "huawei.com/Ascend910", False),
        ("huawei.com/Ascend910-*", "huawei.com/Ascend910-", False),
        ("huawei.com/Ascend910-*", "huawei.com/Ascend910-x/y", False),
    ],
)
def test_a_pattern_stands_for_whole_names_alone(pattern: str, name: str, stands: bool) -> None:
    assert fits(pattern, name) is stands


def test_a_pattern_with_many_wildcards_is_matched_without_backtracking() -> None:
    # By backtracking it takes 3 s of CPU time, and ten times as long for each further wildcard.
    begun = time.process_time()
    assert not fits(f"vendor.my/a{'*' * 9}", f"vendor.my/a{'b' * 40}/")
    assert time.process_time() - begun < 0.5


def test_a_name_that_is_no_unicode_fits_no_pattern() -> None:
    assert not fits("vendor.my/a-*", "vendor.my/a-\ud800")


PATTERNS = st.from_regex(r"\A[a-c]{1,3}\.[a-c]/[a-c0-2][-a-c0-2_.]{0,3}[#*][-a-c0-2_.#*]{0,4}\Z")
NAMES = st.from_regex(r"\A[a-c]{1,3}[.x][a-c]/[-a-c0-2_.]{0,12}\Z")


@given(PATTERNS, st.data())
def test_the_api_server_and_the_operator_read_a_pattern_alike(pattern: str, data: st.DataObject) -> None:
    name = data.draw(st.one_of(NAMES, st.from_regex(rf"\A{expression(pattern)}\Z")))
    asks = {"spec": {"validations": [{"expression": f"object.name.matches({literal(f'^({expression(pattern)})$')})"}]}}
    verdict = evaluate(asks, Request(object={"name": name}, resource="pods"))
    assert not verdict.error
    assert fits(pattern, name) == verdict.allowed


@pytest.mark.parametrize(
    "pattern",
    ["*", "nvidia.com/*", "nvidia.com/#", "*/gpu", "nvidia.com/gpu", "nvidia.com/mig-[0-9]*", "nvidia.com/.*|x"],
)
def test_a_pattern_says_its_vendor_and_how_names_begin(pattern: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        ResourceFamily.model_validate({"pattern": pattern, "sharing": "Partition"})


def test_a_name_that_is_listed_is_what_the_list_says() -> None:
    profile = AcceleratorProfileSpec.model_validate(
        {
            "vendor": {"name": "v", "country": "MY"},
            "family": "f",
            "model": "m",
            "resources": [{"name": "v.my/a-1", "sharing": "Whole"}],
            "resourceFamilies": [{"pattern": "v.my/a-#", "sharing": "Partition"}],
        }
    )
    assert isinstance(profile.resource("v.my/a-1"), DeviceResource)
    assert isinstance(profile.resource("v.my/a-2"), ResourceFamily)
    assert profile.resource("v.my/a") is None
