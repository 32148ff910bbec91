"""A config.json gives the shape that the catalogue has of the same model."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.catalog.model_config import ConfigError, shape_of
from daulat.catalog.models import ModelShape, named

Raw = dict[str, Any]
"""Fields as the files of these models have them; the others of each file don't matter to sizing."""
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
DEEPSEEK = {
    "model_type": "deepseek_v3",
    "hidden_size": 7168,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "vocab_size": 129280,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "max_position_embeddings": 163840,
    "quantization_config": FP8,
}
QWEN3_MOE = {
    "model_type": "qwen3_moe",
    "hidden_size": 4096,
    "num_hidden_layers": 94,
    "num_attention_heads": 64,
    "head_dim": 128,
    "num_key_value_heads": 4,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_experts": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "sliding_window": None,
    "quantization_config": FP8,
}
GPT_OSS = {
    "model_type": "gpt_oss",
    "hidden_size": 2880,
    "num_hidden_layers": 36,
    "num_attention_heads": 64,
    "head_dim": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 2880,
    "num_local_experts": 128,
    "vocab_size": 201088,
    "max_position_embeddings": 131072,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
    "quantization_config": {"quant_method": "mxfp4"},
}
QWEN3_5 = {
    "model_type": "qwen3_5_moe",
    "text_config": {
        "model_type": "qwen3_5_moe_text",
        "hidden_size": 4096,
        "num_hidden_layers": 60,
        "num_attention_heads": 32,
        "head_dim": 256,
        "num_key_value_heads": 2,
        "moe_intermediate_size": 1024,
        "shared_expert_intermediate_size": 1024,
        "num_experts": 512,
        "vocab_size": 248320,
        "max_position_embeddings": 262144,
        "attn_output_gate": True,
        "linear_num_key_heads": 16,
        "linear_key_head_dim": 128,
        "linear_num_value_heads": 64,
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
        "full_attention_interval": 4,
        "layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"] * 15,
    },
}
KIMI = {
    "text_config": {
        **DEEPSEEK,
        "model_type": "kimi_k2",
        "num_attention_heads": 64,
        "n_routed_experts": 384,
        "first_k_dense_replace": 1,
        "vocab_size": 163840,
        "max_position_embeddings": 262144,
        "quantization_config": {
            "quant_method": "compressed-tensors",
            "config_groups": {
                "group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 32, "strategy": "group"}}
            },
        },
    },
}


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("deepseek-ai/DeepSeek-R1", DEEPSEEK),
        ("Qwen/Qwen3-235B-A22B-FP8", QWEN3_MOE),
        ("openai/gpt-oss-120b", GPT_OSS),
        ("Qwen/Qwen3.5-397B-A17B", QWEN3_5),
        ("moonshotai/Kimi-K2.5", KIMI),
    ],
)
def test_a_config_json_gives_what_the_catalogue_has(name: str, config: Raw) -> None:
    known, found = named(name), shape_of(config, name)
    assert known is not None
    assert found.parameters == pytest.approx(known.parameters, rel=0.002)
    assert found.expert_parameters == pytest.approx(known.expert_parameters, rel=0.002)
    for field in ModelShape.model_fields:
        if field not in {"name", "parameters", "expert_parameters", "fp8_block"}:
            assert getattr(found, field) == getattr(known, field), field
    # The catalogue has it of the FP8 weights beside the usual ones as well.
    assert found.fp8_block in (known.fp8_block, None)


def test_a_number_of_parameters_that_is_given_isnt_counted() -> None:
    other = {**GPT_OSS, "model_type": "of-tomorrow"}
    with pytest.raises(ConfigError, match="model_type of-tomorrow: its parameters can't be counted"):
        shape_of(other, "m")
    assert shape_of(other, "m", 117_000_000_000).parameters == 117_000_000_000


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_attention_heads": None}, "num_attention_heads: it is missing"),
        ({"num_hidden_layers": "many"}, "num_hidden_layers: it is missing, or no positive number"),
        ({"vocab_size": None}, "another type|vocab_size"),
        ({"hidden_size": {}}, "hidden_size: it is missing, or no positive number"),
        ({"intermediate_size": [1]}, "another type"),
        ({"hybrid_override_pattern": "M-M*"}, "hybrid_override_pattern: sizing can't compute"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, "quant_method modelopt"),
        ({"quantization_config": {"quant_method": "compressed-tensors"}}, "doesn't support weights of None bits"),
        ({"quantization_config": None, "torch_dtype": "float64"}, "torch_dtype float64"),
    ],
)
def test_what_a_config_json_doesnt_say_is_named(changes: Raw, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        shape_of({**GPT_OSS, **changes}, "m")


@pytest.mark.parametrize(
    ("quantization", "precision", "more"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "INT4", {"group_size": 128}),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "INT8", {}),
        ({"quant_method": "fp8"}, "FP8", {"fp8_block": None}),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "FP8", {}),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}},
            },
            "FP8",
            {"fp8_block": None},
        ),
    ],
)
def test_the_form_of_the_weights_is_read(quantization: Raw, precision: str, more: Raw) -> None:
    found = shape_of({**GPT_OSS, "quantization_config": quantization}, "m")
    assert found.precisions == (precision,)
    assert {field: getattr(found, field) for field in more} == more


def test_a_pattern_of_windows_is_read_where_layers_arent_listed() -> None:
    other = {**GPT_OSS, "layer_types": None, "sliding_window_pattern": 6, "num_hidden_layers": 34}
    layers = shape_of(other, "m").layers
    assert (layers.total, layers.windowed, layers.window) == (34, 29, 128)
