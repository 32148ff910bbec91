"""The values that all kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from daulat.api.exemption import SovereigntyExemptionSpec
from daulat.api.frozen import FrozenDict
from daulat.api.meta import DataClass, LabelSelector
from daulat.api.model import AcceleratorChoice, SovereignModelSpec
from daulat.api.policy import SovereigntyPolicySpec
from tests.strategies import LABELS, selectors
from tests.unit.world import exemption, model, policy


def test_a_frozen_mapping_cant_be_changed() -> None:
    with pytest.raises(TypeError):
        FrozenDict({"a": 1})["a"] = 2  # type: ignore[index]


def test_a_frozen_mapping_does_not_follow_what_it_was_made_from() -> None:
    source = {"a": 1}
    frozen = FrozenDict(source)
    source["a"] = 2
    assert frozen["a"] == 1


@given(LABELS)
def test_equal_mappings_are_equal_and_hash_alike_in_any_order(labels: dict[str, str]) -> None:
    one, two = FrozenDict(labels), FrozenDict(dict(reversed(list(labels.items()))))
    assert one == two == labels
    assert hash(one) == hash(two)
    assert len({one, two}) == 1


def test_different_mappings_differ() -> None:
    assert FrozenDict({"a": 1}) != FrozenDict({"a": 2})
    assert FrozenDict({"a": 1}) != [("a", 1)]


def test_specs_can_be_compared_and_hashed() -> None:
    for spec, raw in ((SovereigntyPolicySpec, policy()), (SovereignModelSpec, model())):
        assert len({spec.model_validate(raw["spec"]), spec.model_validate(raw["spec"])}) == 1


def test_a_spec_cant_be_changed() -> None:
    spec = SovereignModelSpec.model_validate(model()["spec"])
    with pytest.raises(ValidationError):
        spec.replicas = 7  # type: ignore[misc]


def oracle(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """The words of the Kubernetes documentation, one by one."""
    for key, value in selector["matchLabels"].items():
        if key not in labels or labels[key] != value:
            return False
    for e in selector["matchExpressions"]:
        there = e["key"] in labels
        if e["operator"] == "In" and not (there and labels[e["key"]] in e["values"]):
            return False
        if e["operator"] == "NotIn" and there and labels[e["key"]] in e["values"]:
            return False
        if e["operator"] == "Exists" and not there:
            return False
        if e["operator"] == "DoesNotExist" and there:
            return False
    return True


@given(selectors(), LABELS)
def test_a_selector_matches_as_kubernetes_says(raw: dict[str, Any], labels: dict[str, str]) -> None:
    assert LabelSelector.model_validate(raw).matches(labels) is oracle(raw, labels)


def test_an_empty_selector_matches_everything() -> None:
    assert LabelSelector().matches({})
    assert LabelSelector().matches({"a": "1"})


def test_an_empty_value_is_a_value() -> None:
    selector = LabelSelector.model_validate({"matchLabels": {"a": ""}})
    assert selector.matches({"a": ""})
    assert not selector.matches({})


def test_a_selector_tells_every_key_it_looks_at() -> None:
    raw = {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}
    assert LabelSelector.model_validate(raw).label_keys() == {"a", "b"}


def test_data_classes_rank_from_public_to_confidential() -> None:
    assert [c.value for c in sorted(DataClass, key=lambda c: c.rank)] == [
        "public",
        "internal",
        "restricted",
        "confidential",
    ]


@pytest.mark.parametrize(
    "prefix",
    [
        "registry.example.my",
        "/",
        "",
        "registry.example.my/ ",
        "a\n/",
        "https://registry.example.my/",
        "registry.example.my//",
        "registry.example.my/a/../",
        "registry.example.my/./",
        "registry.example.my/%2e/",
        "user@registry.example.my/",
    ],
)
def test_a_registry_that_could_be_continued_by_another_name_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError):
        SovereigntyPolicySpec.model_validate(policy(images={"registries": [prefix]})["spec"])


@pytest.mark.parametrize(
    "uri",
    [
        "oci://x y",
        "oci://",
        "http://x/y",
        "oci://x@sha256:00",
        "pvc:///x",
        "pvc://claim/a b",
        "oci://x\n",
        "file:///",
        "oci://registry.example.my/a/../b",
        "oci://registry.example.my/a/./b",
        "oci://registry.example.my/a/..",
        "oci://registry.example.my/a//b",
        "oci://registry.example.my//a",
        "oci://registry.example.my/a/%2e%2e/b",
        "oci://registry.example.my/a\\..\\b",
        "oci://registry.example.my:443@example.sg/a",
        "oci://registry.example.my/a@example.sg/b",
        "oci://registry.example.my/a:b/c",
        "oci://registry.example.my/a/",
        "s3://models/a/../b",
        "s3://models//b",
        "s3://models/a//b",
        "hf://a/..",
        "hf://../b",
        "hf://a/b/../../c/d",
        "ms://a/b:../c",
        "pvc://claim//a",
        "pvc://claim/a//b",
    ],
)
def test_a_source_of_weights_that_nobody_can_judge_is_refused(uri: str) -> None:
    with pytest.raises(ValidationError):
        SovereignModelSpec.model_validate(model(model={"uri": uri})["spec"])


@pytest.mark.parametrize(
    "source", ["oci://registry.example.my/a/../", "oci://a//", "s3://models/%2e/", "hf://a@b/", "pvc://.."]
)
def test_a_prefix_of_sources_is_plain(source: str) -> None:
    with pytest.raises(ValidationError):
        SovereigntyPolicySpec.model_validate(policy(models={"sources": [source]})["spec"])


@pytest.mark.parametrize(
    "source", ["oci://", "oci://registry.example.my:5000/a/b/", "s3://models/v1.0/", "hf://open_org/", "pvc://w/"]
)
def test_an_ordinary_prefix_of_sources_is_fine(source: str) -> None:
    SovereigntyPolicySpec.model_validate(policy(models={"sources": [source]})["spec"])


@pytest.mark.parametrize(
    "image", ["r.my/a/../b", "r.my//b", "r.my/a@r.sg/b", "r.my/a%2f", "r.my/a/", "r.my/.a", "r.my/a:b:c"]
)
def test_an_image_that_no_runtime_reads_is_refused(image: str) -> None:
    with pytest.raises(ValidationError):
        AcceleratorChoice.model_validate({"profile": "a", "image": image})


@pytest.mark.parametrize(
    "image", ["vllm", "r.my:5000/a/b_c/d--e.f:v1.0-rc.1", f"r.my/a:v1@sha256:{'0' * 64}", f"r.my/a@sha512:{'0' * 128}"]
)
def test_an_ordinary_image_is_fine(image: str) -> None:
    AcceleratorChoice.model_validate({"profile": "a", "image": image})


def exempted(at: str) -> SovereigntyExemptionSpec:
    return SovereigntyExemptionSpec.model_validate(exemption(expiresAt=at)["spec"])


def test_an_exemption_ends_at_the_same_moment_in_every_zone() -> None:
    assert (
        exempted("2030-01-01T08:00:00+08:00").expiry
        == exempted("2030-01-01T00:00:00Z").expiry
        == "2030-01-01T00:00:00Z"
    )


def test_an_exemption_is_over_at_its_very_second() -> None:
    at = 1893456000.0
    assert [exempted("2030-01-01T00:00:00Z").expired(at + d) for d in (-1, 0, 1)] == [False, True, True]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2030-13-01T00:00:00Z", ""])
def test_a_time_that_is_none_is_refused(at: str) -> None:
    with pytest.raises(ValidationError):
        exempted(at)


@pytest.mark.parametrize("path", ["approved/../other", "..", "./x", "a/.."])
def test_a_path_of_weights_cant_leave_the_prefix_that_a_policy_approves(path: str) -> None:
    with pytest.raises(ValidationError):
        SovereignModelSpec.model_validate(model(model={"uri": f"pvc://claim/{path}"})["spec"])


@pytest.mark.parametrize("path", ["", "/", "/a", "/a/b-1_c.d/", "/v1.0/x"])
def test_an_ordinary_path_of_weights_is_fine(path: str) -> None:
    assert SovereignModelSpec.model_validate(model(model={"uri": f"pvc://claim{path}"})["spec"])


@pytest.mark.parametrize(
    ("asked", "seconds"), [("5s", 5), ("90s", 90), ("10m", 600), ("60m", 3600), ("1h", 3600), ("0090s", 90)]
)
def test_a_replica_may_take_from_five_seconds_to_an_hour_to_end(asked: str, seconds: int) -> None:
    spec = SovereignModelSpec.model_validate(model(engine={"gracePeriod": asked})["spec"])
    assert spec.engine.grace_seconds == seconds


@pytest.mark.parametrize("asked", ["0s", "4s", "3601s", "61m", "2h", "999999h"])
def test_a_replica_that_may_take_less_or_more_than_that_to_end_is_refused_with_what_would_do(asked: str) -> None:
    with pytest.raises(ValidationError, match="a time from 5s to 1h, such as 90s or 10m"):
        SovereignModelSpec.model_validate(model(engine={"gracePeriod": asked})["spec"])


@pytest.mark.parametrize("asked", ["", "90", "1.5m", "1m30s", "-5s", "5 s", "5S", "1d", "5s\n", 90])
def test_what_is_no_time_is_no_grace_period(asked: Any) -> None:
    with pytest.raises(ValidationError):
        SovereignModelSpec.model_validate(model(engine={"gracePeriod": asked})["spec"])
