"""A replica gets the devices that it says or needs, and what can't be is refused with the numbers."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.api.model import SizingStatus, SovereignModelSpec
from daulat.api.status import read_status
from daulat.catalog import accelerators
from daulat.placement.current_placement import CurrentPlacement
from daulat.placement.devices import Devices, devices
from daulat.placement.sizing import Indivisible, NoFit
from tests.unit.world import URI

ASCEND, H20, H200, L40S = "huawei-ascend-910b", "nvidia-h20", "nvidia-h200", "nvidia-l40s"


def needed(
    name: str,
    profile: str,
    count: int | None = None,
    engine: dict[str, Any] | None = None,
    where: CurrentPlacement | None = None,
    **of: Any,
) -> Devices:
    facts = {"name": name, "uri": URI, "developer": "d", "originCountry": "MY", "license": "MIT", **of}
    choice = {"profile": profile, **({"count": count} if count else {})}
    spec = SovereignModelSpec.model_validate({"model": facts, "engine": engine or {}, "accelerators": [choice]})
    return devices(spec, spec.accelerators[0], accelerators.shipped()[profile], where)


def test_a_model_of_the_catalogue_gets_what_it_needs() -> None:
    one = needed("llama-3.3-70b", ASCEND, engine={"context": 32768})
    assert (one.count, one.tensor_parallel, one.pipeline_parallel) == (4, 4, 1)
    assert one.sizing is not None
    assert one.sizing.context == 32768
    assert needed("deepseek-ai/DeepSeek-R1", H200, engine={"context": 32768}).count == 8


def test_more_sequences_at_a_time_need_more_devices() -> None:
    few = needed("qwen3-32b", H20, engine={"context": 40960, "concurrency": 1})
    many = needed("qwen3-32b", H20, engine={"context": 40960, "concurrency": 16})
    assert few.count < many.count


def test_the_form_of_the_weights_counts() -> None:
    assert needed("qwen3-32b", ASCEND, engine={"context": 8192}).count == 2
    assert needed("qwen3-32b", ASCEND, engine={"context": 8192}, precision="INT8").count == 1
    with pytest.raises(NoFit, match="doesn't compute in FP8; it has BF16, FP16, INT8, INT4"):
        needed("qwen3-32b", ASCEND, precision="FP8")


def test_a_count_is_the_users_word_where_nobody_knows_the_model() -> None:
    assert needed("our-own", ASCEND, 3) == Devices(3, 3, 1, None)


def test_a_count_that_was_left_out_for_an_unknown_model_is_asked_for() -> None:
    with pytest.raises(NoFit) as refused:
        needed("our-own", ASCEND)
    assert str(refused.value) == (
        'spec.accelerators["huawei-ascend-910b"].count: it was left out, and the catalogue has no model our-own to work it '
        "out for. Set it"
    )


def test_a_model_for_several_nodes_is_refused_with_the_numbers_where_the_engine_cant_span_them() -> None:
    with pytest.raises(NoFit) as refused:
        needed("deepseek-r1", ASCEND, engine={"name": "mindie", "context": 32768})
    assert str(refused.value) == (
        "deepseek-r1 needs 32 devices of huawei-ascend-910b on 4 nodes (1249.8 GiB of weights in BF16, 1 x 32768 tokens), "
        "and mindie runs a replica on one node"
    )


def test_a_count_that_not_even_the_weights_fit_in_is_refused() -> None:
    with pytest.raises(NoFit) as refused:
        needed("deepseek-r1", ASCEND, 4)
    assert str(refused.value) == (
        'spec.accelerators["huawei-ascend-910b"].count: the weights of deepseek-r1 in INT4, the smallest precision that '
        "huawei-ascend-910b serves, take 332.0 GiB; 4 x 60.96 GiB were requested"
    )
    with pytest.raises(NoFit, match=r"in BF16 take 1249\.8 GiB; 8 x 60.96 GiB"):
        needed("deepseek-r1", ASCEND, 8, precision="BF16")


def test_a_count_that_is_tight_is_the_users_to_try_and_told() -> None:
    """DeepSeek R1 in FP8 has 624.9 GiB: on eight H20 it fits, but with less room than the estimate wants."""
    tight = needed("deepseek-r1", H20, 8, engine={"context": 32768})
    assert (tight.count, tight.tensor_parallel, tight.sizing) == (8, 8, None)
    assert tight.note.startswith("by our estimate it may not fit: deepseek-r1 needs ")


@pytest.mark.parametrize(
    ("accelerator", "sized", "told"),
    [(ASCEND, {}, True), (ASCEND, {"devices": 4}, True), (ASCEND, {"devices": 8}, False), (H20, {"devices": 4}, False)],
)
def test_a_model_that_stands_with_a_count_isnt_stopped_for_it(
    accelerator: str, sized: dict[str, Any], told: bool
) -> None:
    """A release that has learnt of the model, or another name, must not end what runs."""
    where = CurrentPlacement("cyberjaya-1", accelerator, "r", ("n",), read_status(SizingStatus, sized))
    if told:
        assert needed("deepseek-r1", ASCEND, 4, where=where).note.startswith("by our estimate it may not fit: ")
    else:
        with pytest.raises(NoFit, match=r"4 x 60\.96 GiB were requested"):
            needed("deepseek-r1", ASCEND, 4, where=where)


def test_a_count_is_divided_as_the_heads_allow() -> None:
    """Llama 4 has 40 heads: 8 divide them, 16 don't, so two stages follow each other."""
    one = needed("llama-4-maverick", H200, 16, engine={"context": 8192})
    assert (one.count, one.tensor_parallel, one.pipeline_parallel) == (16, 8, 2)


@pytest.mark.parametrize(
    ("name", "count", "divided", "note"),
    [
        (
            "qwen2.5-7b",
            3,
            (1, 3),
            "28 attention heads aren't divisible by 3, so 3 pipeline stages of 1 device follow each other",
        ),
        (
            "phi-4",
            4,
            (2, 2),
            "10 key-value heads can't be divided evenly between 4 devices, nor repeated evenly on them, so 2 pipeline stages of 2 "
            "devices follow each other",
        ),
        (
            "llama-3.3-70b",
            6,
            (2, 3),
            "64 attention heads aren't divisible by 6, so 3 pipeline stages of 2 devices follow each other",
        ),
    ],
)
def test_a_count_that_cant_share_a_layer_is_divided_into_stages_and_noted(
    name: str, count: int, divided: tuple[int, int], note: str
) -> None:
    one = needed(name, H20, count, engine={"context": 8192})
    assert (one.tensor_parallel, one.pipeline_parallel, one.note) == (*divided, note)


def test_a_count_with_which_the_engine_certainly_ends_is_refused_unless_the_model_stands_with_it() -> None:
    """MindIE has no stages, so 3 devices can't share a layer of 28 heads."""
    with pytest.raises(Indivisible) as refused:
        needed("qwen2.5-7b", ASCEND, 3, engine={"name": "mindie"})
    why = "mindie can't start with 3 devices: 28 attention heads aren't divisible by 3"
    assert str(refused.value) == f'spec.accelerators["{ASCEND}"].count: {why}'
    where = CurrentPlacement("cyberjaya-1", ASCEND, "r", ("n",))
    assert needed("qwen2.5-7b", ASCEND, 3, engine={"name": "mindie"}, where=where).note.endswith(why)


def test_an_engine_that_divides_by_itself_takes_any_count() -> None:
    assert needed("qwen2.5-7b", H20, 3, engine={"name": "llama.cpp", "context": 8192}).note == ""


@pytest.mark.parametrize("count", [None, 8])
def test_fp8_in_blocks_is_divided_between_blocks_alone(count: int | None) -> None:
    """An expert of Qwen3 235B is 1536 wide: 8 devices would have 192 of it, and a block has 128."""
    one = needed("qwen3-235b-a22b", L40S, count, engine={"context": 32768}, precision="FP8")
    assert (one.count, one.tensor_parallel, one.pipeline_parallel) == (8, 4, 2)


@pytest.mark.parametrize(("served", "divided"), [(False, (4, 2)), (True, (8, 1))])
@pytest.mark.parametrize("count", [None, 8])
def test_a_model_with_a_division_that_engines_refuse_gets_another_unless_it_has_served(
    count: int | None, served: bool, divided: tuple[int, int]
) -> None:
    """FP8 weights of others may have their scales per channel, and such an engine runs."""
    stands = {
        "devices": 8,
        "tensorParallel": 8,
        "pipelineParallel": 1,
        "model": "qwen3-235b-a22b",
        "precision": "FP8",
        "context": 32768,
        "concurrency": 1,
    }
    where = CurrentPlacement("cyberjaya-1", L40S, "r", ("n",), read_status(SizingStatus, stands), served)
    one = needed("qwen3-235b-a22b", L40S, count, engine={"context": 32768}, where=where, precision="FP8")
    assert (one.tensor_parallel, one.pipeline_parallel) == divided


def test_what_sizing_divides_into_stages_itself_is_no_advice_on_the_next_pass() -> None:
    first = needed("qwen3-235b-a22b", L40S, engine={"context": 32768}, precision="FP8")
    stands = {
        "devices": 8,
        "tensorParallel": 4,
        "pipelineParallel": 2,
        "model": "qwen3-235b-a22b",
        "precision": "FP8",
        "context": 32768,
        "concurrency": 1,
    }
    where = CurrentPlacement("cyberjaya-1", L40S, "r", ("n",), read_status(SizingStatus, stands))
    again = needed("qwen3-235b-a22b", L40S, engine={"context": 32768}, where=where, precision="FP8")
    assert (first.tensor_parallel, first.pipeline_parallel, first.note) == (4, 2, "")
    assert (again.count, again.tensor_parallel, again.pipeline_parallel, again.note) == (8, 4, 2, "")


def test_a_model_that_served_before_its_name_was_known_keeps_its_division() -> None:
    """RedHatAI's own FP8 may be divided where Qwen's can't."""
    stands = {"devices": 8, "tensorParallel": 8, "pipelineParallel": 1}
    sized = read_status(SizingStatus, stands)
    for served, divided in ((True, (8, 1)), (False, (4, 2))):
        where = CurrentPlacement("cyberjaya-1", L40S, "r", ("n",), sized, served)
        one = needed("RedHatAI/Qwen3-235B-A22B-FP8", L40S, 8, engine={"context": 32768}, where=where)
        assert (one.tensor_parallel, one.pipeline_parallel) == divided


def test_a_developers_name_of_a_variant_is_sized_with_its_precision_and_context() -> None:
    one = needed("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", H200)
    assert one.basis is not None
    assert (one.basis.model, one.basis.context, one.basis.precision) == ("qwen3-235b-a22b", 262144, "FP8")
