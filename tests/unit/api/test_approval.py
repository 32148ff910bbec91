"""What a policy approves: every selector that is given must match, and more selectors never approve more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.approval import approved_profiles, may_approve, mismatch, missing_profiles, unmatched
from daulat.api.requirements import AcceleratorRequirements
from daulat.catalog import accelerators

SHIPPED = accelerators.shipped()
NAMES, VENDORS = (
    ["huawei-ascend-910b", "nvidia-h20", "graphcore-c600", "acme"],
    ["NVIDIA", "Huawei", "Graphcore", "Acme"],
)
SELECTORS: dict[str, list[str]] = {
    "profiles": NAMES,
    "vendors": VENDORS,
    "vendorCountries": ["US", "CN", "GB", "JP", "BN"],
    "families": ["Hopper", "Ascend", "Other"],
    "excludeRegimes": ["US-GP10", "US-EAR-3A090", "MY-STA-2010"],
}
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(st.sampled_from(values), unique=True, min_size=0 if name == "profiles" else 1)
        for name, values in SELECTORS.items()
    },
).filter(lambda asked: bool({*asked} - {"excludeRegimes"}))


def asked(**selectors: Any) -> AcceleratorRequirements:
    return AcceleratorRequirements.model_validate(selectors)


def profile(
    vendor: str = "Acme", country: str = "MY", regimes: tuple[str, ...] = (), **more: Any
) -> AcceleratorProfileSpec:
    flags = [{"regime": r, "note": "n", "source": "s", "asOf": "2026-11-29"} for r in regimes]
    body = {"family": "F", "model": "M", "resources": [{"name": "acme.example/npu", "sharing": "Whole"}]}
    maker = {"name": vendor, "country": country, **more}
    return AcceleratorProfileSpec.model_validate({**body, "vendor": maker, "riskFlags": flags})


def approved(known: dict[str, AcceleratorProfileSpec], **selectors: Any) -> list[str]:
    return list(approved_profiles(asked(**selectors), known))


def test_names_alone_approve_what_they_name_in_their_order_and_no_other_profile() -> None:
    assert approved(SHIPPED, profiles=["nvidia-h20", "acme", "huawei-ascend-910b"]) == [
        "nvidia-h20",
        "huawei-ascend-910b",
    ]
    assert missing_profiles(asked(profiles=["nvidia-h20", "acme"]), SHIPPED) == ("acme",)
    assert approved(SHIPPED, profiles=[]) == []


def test_a_vendor_approves_all_its_profiles() -> None:
    assert approved({"b": profile(), "a": profile(), "c": profile("Other")}, vendors=["Acme"]) == ["a", "b"]


def test_a_country_approves_the_vendors_that_are_there() -> None:
    known = {"my": profile(country="MY"), "sg": profile(country="SG")}
    assert approved(known, vendorCountries=["MY"]) == ["my"]


def test_a_subsidiary_needs_the_country_of_its_parent_too() -> None:
    known = {"sub": profile(country="MY", parentCountry="US")}
    assert approved(known, vendorCountries=["MY"]) == []
    assert approved(known, vendorCountries=["US"]) == []
    assert approved(known, vendorCountries=["US", "MY"]) == ["sub"]


def test_a_regime_excludes_whatever_else_approves() -> None:
    known = {"flagged": profile(regimes=("A", "B")), "free": profile()}
    assert approved(known, profiles=["flagged", "free"], excludeRegimes=["B"]) == ["free"]
    told = mismatch(asked(vendors=["Acme"], excludeRegimes=["B", "A"]), "flagged", known["flagged"])
    assert told == "is under A, B, which excludeRegimes excludes"


@pytest.mark.parametrize("selectors", [{}, {"excludeRegimes": ["US-GP10"]}])
def test_a_policy_must_say_what_it_approves_not_only_what_it_excludes(selectors: dict[str, Any]) -> None:
    with pytest.raises(
        ValidationError, match="profiles is required unless vendors, vendorCountries or families is set"
    ):
        asked(**selectors)
    # Even unchecked, as after a later release, it approves nothing.
    unchecked = AcceleratorRequirements.model_construct(exclude_regimes=())
    assert approved_profiles(unchecked, SHIPPED) == {}
    assert not may_approve(unchecked, "nvidia-h20")


def test_what_no_profile_has_is_found_so_that_a_misspelt_vendor_is_told() -> None:
    wrong = asked(vendors=["NVIDIA", "Huwei"], families=["Hoper"], vendorCountries=["BN", "US"])
    assert unmatched(wrong, SHIPPED) == (("vendors", "Huwei"), ("families", "Hoper"))


@given(REQUESTS, st.data())
def test_one_more_selector_never_approves_more(selectors: dict[str, list[str]], data: st.DataObject) -> None:
    left = sorted({*SELECTORS} - {*selectors})
    if left:
        name = data.draw(st.sampled_from(left))
        values = data.draw(st.lists(st.sampled_from(SELECTORS[name]), unique=True, min_size=1))
        assert {*approved(SHIPPED, **selectors, **{name: values})} <= {*approved(SHIPPED, **selectors)}
    every = [approved(SHIPPED, **{k: v}) for k, v in selectors.items() if k != "excludeRegimes"]
    assert {*approved(SHIPPED, **selectors)} <= set.intersection(*map(set, every))


@given(REQUESTS)
def test_what_is_approved_is_what_the_facts_of_each_profile_say(selectors: dict[str, list[str]]) -> None:
    found = approved_profiles(asked(**selectors), SHIPPED)
    for name, spec in SHIPPED.items():
        places = {spec.vendor.country, spec.vendor.parent_country or spec.vendor.country}
        wanted = (
            name in selectors.get("profiles", SHIPPED)
            and spec.vendor.name in selectors.get("vendors", [spec.vendor.name])
            and places <= {*selectors.get("vendorCountries", places)}
            and spec.family in selectors.get("families", [spec.family])
            and not {f.regime for f in spec.risk_flags} & {*selectors.get("excludeRegimes", ())}
        )
        assert (name in found) == wanted
        assert (mismatch(asked(**selectors), name, spec) is None) == wanted
        assert may_approve(asked(**selectors), name) or not wanted
