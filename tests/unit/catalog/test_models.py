"""The catalogue of models: every fact has a source, and figures are of the right size."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from daulat.catalog.model_names import nearest
from daulat.catalog.models import ModelFacts, models, named

KNOWN = sorted(models())


@pytest.mark.parametrize("name", KNOWN)
def test_figures_are_of_the_right_size(name: str) -> None:
    facts = models()[name]
    assert 1e8 < facts.parameters < 1e13
    assert 0 <= facts.expert_parameters < facts.parameters
    assert 10 < facts.layers.total < 200
    assert facts.attention.heads in range(4, 257)
    assert 2048 <= facts.context <= 16 << 20
    # Between 8 KiB and 1 MiB for a token, over all layers.
    assert 8 << 10 <= facts.attention.bytes_for_token * facts.layers.total <= 1 << 20
    assert "/" in facts.repository


@pytest.mark.parametrize("name", KNOWN)
def test_a_name_says_how_large_the_model_is(name: str) -> None:
    """Developers put billions of parameters in their names, so a slip in the data shows. Small models are named without their
    vocabulary, which is a fifth of them."""
    told = [float(w[:-1]) for w in name.split("-") if w.endswith("b") and w[:-1].replace(".", "").isdigit()]
    if told:
        assert models()[name].parameters / 1e9 == pytest.approx(told[0], rel=0.09 if told[0] > 3 else 0.25)


def test_a_model_is_known_by_its_developers_name() -> None:
    assert named("deepseek-ai/DeepSeek-R1") is models()["deepseek-r1"]
    assert named("DEEPSEEK-AI/deepseek-r1") is models()["deepseek-r1"]
    assert named("nobody/nothing") is None


@pytest.mark.parametrize(
    ("name", "base", "context", "precision"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b", 131072, "BF16"),
        ("meta-llama/Meta-Llama-3.1-405B-Instruct-FP8", "llama-3.1-405b", 131072, "FP8"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b", 32768, "BF16"),
        ("Qwen/Qwen2.5-72B-Instruct-GPTQ-Int4", "qwen2.5-72b", 32768, "INT4"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "qwen3-235b-a22b", 262144, "FP8"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b", 32768, "BF16"),
        ("mistralai/Mistral-7B-v0.3", "mistral-7b-v0.3", 32768, "BF16"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1", 163840, "FP8"),
        ("vllm-ascend/DeepSeek-R1-0528-W8A8", "deepseek-r1", 163840, "INT8"),
        ("RedHatAI/Meta-Llama-3.1-70B-Instruct-quantized.w8a8", "llama-3.1-70b", 131072, "INT8"),
        ("moonshotai/Kimi-K2-Thinking", "kimi-k2", 262144, "INT4"),
        ("zai-org/GLM-4.5-Air-FP8", "glm-4.5-air", 131072, "FP8"),
        ("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "qwen3-8b", 131072, "BF16"),
        ("Qwen/Qwen3-8B-Base", "qwen3-8b", 32768, "BF16"),
        ("zai-org/GLM-4.5-Base", "glm-4.5", 131072, "BF16"),
        ("Eco-Tech/Qwen3.5-397B-A17B-w8a8-mtp", "qwen3.5-397b-a17b", 262144, "INT8"),
        ("google/gemma-3-27b-it", "gemma-3-27b", 131072, "BF16"),
        ("mistralai/Mistral-7B-Instruct-v0.2", "mistral-7b-v0.3", 32768, "BF16"),
        ("unsloth/gpt-oss-120b-BF16", "gpt-oss-120b", 131072, "BF16"),
    ],
)
def test_a_model_is_known_by_names_that_leave_its_shape_as_it_is(
    name: str, base: str, context: int, precision: str
) -> None:
    found = named(name)
    assert found is not None
    assert (found.name, found.context, found.precisions[0]) == (base, context, precision)


@pytest.mark.parametrize(
    "name",
    [
        "deepseek-ai/DeepSeek-R1-0528-Qwen3-4B",
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-8B",
        "deepseek-ai/DeepSeek-R1-Lite",
        "Qwen/Qwen3-VL-8B-Instruct",
        "Qwen/Qwen3-Embedding-8B",
        "Qwen/Qwen3-9B",
        "Qwen/Qwen2.5-Math-7B-Instruct",
        "meta-llama/Llama-3.1-8B-Vision-Instruct",
        "meta-llama/Llama-Guard-3-8B",
        "nvidia/DeepSeek-R1-NVFP4",
        "Qwen/Qwen3-8B-GGUF",
        "instruct",
        "",
        "/",
        "-fp8",
    ],
)
def test_a_name_of_another_shape_is_never_taken_for_a_known_one(name: str) -> None:
    assert named(name) is None


def test_fp8_of_others_with_scales_per_channel_has_no_blocks() -> None:
    theirs, own = named("RedHatAI/Qwen3-30B-A3B-FP8-dynamic"), named("Qwen/Qwen3-30B-A3B-FP8")
    assert theirs is not None
    assert own is not None
    assert (theirs.fp8_block, own.fp8_block) == (None, 128)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mistral-7b", "mistral-7b-v0.3"),
        ("mistralai/Mistral-7B-Instruct", "mistral-7b-v0.3"),
        ("lama-3.3-70b", "llama-3.3-70b"),
        ("quen3-32b", "qwen3-32b"),
        ("internlm3-8b", ""),
        ("something-else-entirely", ""),
    ],
)
def test_a_near_name_is_suggested(name: str, near: str) -> None:
    assert nearest(name, models()) == near


def test_licences_with_limits_say_them() -> None:
    for facts in models().values():
        assert facts.license.limits or not facts.license.spdx.startswith("LicenseRef-"), facts.name


def raw(**changes: Any) -> dict[str, Any]:
    whole = models()["deepseek-r1"].model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {**whole, **changes}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sources": []}, "at least 1 item"),
        (
            {"sources": [{"facts": ["layers"], "from": "x", "read": "2026-11-24", "grade": "computed"}]},
            "sources: none for .*'attention'",
        ),
        (
            {"sources": [{"facts": ["weight"], "from": "x", "read": "2026-11-24", "grade": "computed"}]},
            "'weight'. are no facts",
        ),
        ({"attention": {"heads": 8}}, "give keyValueHeads and headWidth, or latentWidth"),
        (
            {"attention": {"heads": 8, "keyValueHeads": 8, "headWidth": 64, "latentWidth": 576}},
            "give keyValueHeads and headWidth, or latentWidth",
        ),
        ({"layers": {"total": 2, "windowed": 3, "window": 1}}, "more layers are windowed, stateful or compressed"),
        (
            {"layers": {"total": 2, "window": 1, "compressed": [{"layers": 3, "every": 4}]}},
            "more layers are windowed, stateful or compressed",
        ),
        ({"layers": {"total": 2, "windowed": 1}}, "windowed and compressed layers have a window"),
        (
            {"layers": {"total": 2, "compressed": [{"layers": 2, "every": 4}]}},
            "windowed and compressed layers have a window",
        ),
        ({"layers": {"total": 2, "stateful": 1}}, "stateful layers have a state"),
        ({"layers": {"total": 2, "index": {"layers": 3, "width": 128}}}, "more layers have an index"),
        ({"expertParameters": 10**15}, "there are no others"),
        ({"precisions": ["FP12"]}, "FP12|literal_error|Input should be"),
        ({"colour": "blue"}, "Extra inputs are not permitted"),
    ],
)
def test_a_fact_that_cant_be_right_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ModelFacts.model_validate(raw(**changes))


def test_every_family_that_is_asked_for_is_there() -> None:
    families = {
        *(
            "deepseek-v3",
            "deepseek-r1",
            "qwen2.5-",
            "qwen3-",
            "llama-3.1-",
            "llama-3.2-",
            "llama-3.3-",
            "llama-4-",
            "gpt-oss-",
        ),
        *(
            "gemma-2-",
            "gemma-3-",
            "phi-3-",
            "phi-4",
            "minimax-",
            "mistral-",
            "mixtral-",
            "glm-",
            "kimi-",
            "malaysian-",
            "llama-sea-lion-",
            "qwen-sea-lion-",
        ),
    }
    assert {f for f in families if not any(name.startswith(f) for name in models())} == set()
    distilled = {n.removeprefix("deepseek-r1-distill-") for n in models() if n.startswith("deepseek-r1-distill-")}
    assert distilled == {"qwen-1.5b", "qwen-7b", "qwen-14b", "qwen-32b", "llama-8b", "llama-70b"}


def test_licences_with_geographic_limits_say_where() -> None:
    """Llama 4's licence is the one among these that leaves a region out for what the model is."""
    for name, facts in models().items():
        if name.startswith(("llama-4-", "llama-3.2-")):
            assert "European Union" in facts.license.limits
