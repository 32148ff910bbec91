"""A model is divided as engines can: between heads, widths and blocks of its weights, in whole stages on each node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daulat.api.accelerator import Precision
from daulat.catalog.models import models
from daulat.placement.division import Division, Limits, divisions, indivisible


@pytest.mark.parametrize(
    ("name", "precision", "tensor", "why"),
    [
        ("qwen3-coder-480b-a35b", "FP8", 4, ""),
        ("qwen3-coder-480b-a35b", "BF16", 8, ""),
        ("qwen3-coder-480b-a35b", "FP8", 8, "an expert's intermediate size of 2560 leaves 320 for each of 8 devices"),
        ("qwen3-235b-a22b", "FP8", 8, "an expert's intermediate size of 1536 leaves 192 for each of 8 devices"),
        ("qwen3-30b-a3b", "FP8", 4, "an expert's intermediate size of 768 leaves 192 for each of 4 devices"),
        ("qwen3-4b", "FP8", 8, "an intermediate size of 9728 leaves 1216 for each of 8 devices"),
        ("deepseek-r1", "FP8", 16, ""),
        ("deepseek-r1", "FP8", 32, "an expert's intermediate size of 2048 leaves 64 for each of 32 devices"),
        # Its FP8 weights have their scales per channel.
        ("glm-4.5", "FP8", 8, ""),
        ("phi-4", "BF16", 4, "10 key-value heads can't be divided evenly between 4 devices"),
        ("qwen2.5-7b", "BF16", 3, "28 attention heads aren't divisible by 3"),
        ("qwen2.5-7b", "BF16", 1, ""),
    ],
)
def test_engines_end_where_a_size_isnt_divisible(name: str, precision: Precision, tensor: int, why: str) -> None:
    found = indivisible(models()[name], precision, tensor)
    assert found.startswith(why)
    assert bool(found) == bool(why)


def first(name: str, limits: Limits, precision: Precision = "BF16") -> Division | None:
    return next(divisions(models()[name], precision, limits), None)


def test_a_number_of_devices_is_divided_with_as_few_stages_as_possible() -> None:
    assert first("phi-4", Limits(8, devices=4)) == Division(2, 2, 1)
    assert first("qwen3-30b-a3b", Limits(8, devices=4), "FP8") == Division(2, 2, 1)
    assert first("llama-3.3-70b", Limits(8, devices=16)) == Division(8, 2, 2)
    assert first("llama-3.3-70b", Limits(8, devices=3)) == Division(1, 3, 1)
    assert first("llama-3.3-70b", Limits(8, devices=3, stages=False)) is None


def test_without_a_number_layers_are_shared_as_far_as_possible_before_there_are_stages() -> None:
    found = [(d.devices, d.tensor) for d in divisions(models()["qwen3-coder-480b-a35b"], "FP8", Limits(8))]
    assert found[:4] == [(1, 1), (2, 2), (4, 4), (8, 4)]


@given(
    name=st.sampled_from(sorted(models())),
    precision=st.sampled_from(["BF16", "FP8"]),
    per_node=st.integers(1, 32),
    package=st.sampled_from([1, 2]),
    devices=st.none() | st.integers(1, 64),
    nodes=st.none() | st.integers(1, 8),
)
def test_every_node_has_as_many_whole_stages_as_the_others(
    name: str, precision: Precision, per_node: int, package: int, devices: int | None, nodes: int | None
) -> None:
    for d in divisions(models()[name], precision, Limits(per_node, package, devices=devices, nodes=nodes)):
        assert d.pipeline % d.nodes == 0
        assert d.tensor * (d.pipeline // d.nodes) <= per_node
        assert d.tensor % package == 0
        assert indivisible(models()[name], precision, d.tensor) == ""
        assert devices in (None, d.devices)
        assert nodes in (None, d.nodes)
