"""Presets: every rule has a source, every class of data makes a policy, and what a policy says itself wins."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from daulat.admission.policy import PolicyError, compile_policy
from daulat.api.meta import DataClass
from daulat.api.policy import SovereigntyPolicySpec
from daulat.catalog import accelerators, presets
from daulat.facts.declared import Declared, Unparsable, parse_declared

CASES = [
    (p.name, c) for p in presets.presets().values() for c in (*p.data_classes, *([] if p.data_classes else [None]))
]


def spec(name: str | None = None, data_class: str | None = None, **changes: Any) -> SovereigntyPolicySpec:
    """Return the smallest policy that starts from a preset."""
    preset = {"name": name, **({"dataClass": data_class} if data_class else {})}
    body = {
        "namespaceSelector": {"matchLabels": {"daulat.dev/data-class": "x"}},
        "accelerators": {"profiles": ["nvidia-h20"]},
        **({"preset": preset} if name else {}),
        **changes,
    }
    return SovereigntyPolicySpec.model_validate(body)


@pytest.mark.parametrize(("name", "data_class"), CASES)
def test_every_rule_of_a_preset_has_a_source(name: str, data_class: DataClass | None) -> None:
    cited = {
        c.field
        for c in presets.presets()[name].citations
        if data_class is None or data_class in (c.classes or DataClass)
    }
    assert set(presets.leaves(presets.rules(name, data_class))) == cited


@pytest.mark.parametrize(("name", "data_class"), CASES)
def test_every_preset_makes_a_policy_that_compiles(name: str, data_class: DataClass | None) -> None:
    zones = {"zones": {"countries": ["MY"]}} if name == "baseline" else {}
    policy = spec(name, data_class, **zones)
    assert compile_policy("p", policy, accelerators.shipped()).enforces
    said = presets.leaves(presets.expanded(policy).model_dump(by_alias=True, mode="json"))
    wanted = {**presets.leaves(presets.rules(name, data_class)), **presets.leaves(zones)}
    assert {path: said[path] for path in wanted} == wanted


def test_no_preset_sets_what_the_api_server_fills_in() -> None:
    # These fields are always there in the cluster, so a preset's value would never be read.
    filled = {"action", "schedulers"}
    assert not any(filled & set(presets.rules(name, c)) for name, c in CASES)


def test_confidential_data_stays_in_malaysia_and_public_data_may_go_anywhere() -> None:
    confidential, public = (presets.expanded(spec("my-nccp", c)).zones for c in ("confidential", "public"))
    assert (confidential.countries, confidential.parent_countries) == (("MY",), ("MY",))
    assert confidential.minimum_data_class is DataClass.CONFIDENTIAL
    assert (public.countries, public.minimum_data_class) == (None, DataClass.PUBLIC)


def test_classes_of_data_only_grow_stricter() -> None:
    said = [set(presets.leaves(presets.rules("my-nccp", c))) for c in DataClass]
    assert all(lower <= higher for lower, higher in itertools.pairwise(said))


def test_what_the_policy_sets_takes_the_place_of_the_presets_field_by_field() -> None:
    own = spec("my-nccp", "confidential", zones={"countries": ["SG"]}, models={"licenses": ["MIT"]})
    found = presets.expanded(own)
    assert (found.zones.countries, found.zones.operator_countries) == (("SG",), ("MY",))
    assert found.models is not None
    assert (found.models.licenses, found.models.require_digest) == (("MIT",), True)
    assert presets.expanded(found) == found


def test_fields_in_which_a_policy_departs_from_its_preset_are_named() -> None:
    own = spec("my-nccp", "confidential", zones={"countries": ["SG"], "operatorCountries": ["MY"]})
    assert presets.overridden(own) == {"zones.countries": (["MY"], ["SG"])}
    assert presets.overridden(spec("my-nccp", "confidential")) == {}
    assert presets.overridden(spec(zones={"countries": ["MY"]})) == {}


@pytest.mark.parametrize(
    ("name", "data_class", "message"),
    [
        ("my-ncp", "confidential", "there is no preset my-ncp; there are baseline, my-nccp"),
        ("my-nccp", None, "my-nccp needs dataClass, one of public, internal, restricted, confidential"),
        ("baseline", "public", "baseline has the same rules for all data; leave dataClass out"),
        ("baseline", None, "baseline doesn't set zones; set spec.zones"),
    ],
)
def test_a_preset_that_cant_be_used_is_told_in_one_sentence(name: str, data_class: str | None, message: str) -> None:
    with pytest.raises(presets.PresetError) as found:
        presets.expanded(spec(name, data_class))
    assert str(found.value) == message
    with pytest.raises(PolicyError, match=r"^spec\.preset: "):
        compile_policy("p", spec(name, data_class), accelerators.shipped())
    body = spec(name, data_class).model_dump(by_alias=True, exclude_unset=True, mode="json")
    parsed = parse_declared("SovereigntyPolicy", {"metadata": {"name": "p"}, "spec": body})
    assert isinstance(parsed, Unparsable)
    assert parsed.reason == f"spec.preset: {message}"


def test_facts_hold_the_expanded_policy() -> None:
    body = spec("my-nccp", "confidential").model_dump(by_alias=True, exclude_unset=True, mode="json")
    parsed = parse_declared("SovereigntyPolicy", {"metadata": {"name": "p"}, "spec": body})
    assert isinstance(parsed, Declared)
    assert parsed.spec.zones.countries == ("MY",)


def test_a_policy_without_a_preset_and_without_zones_is_invalid() -> None:
    with pytest.raises(ValidationError, match="zones is required unless a preset sets it"):
        spec()
