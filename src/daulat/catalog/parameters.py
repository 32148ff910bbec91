"""Counts a model's parameters from its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTED = frozenset(
    (
        *("llama", "mistral", "mistral3", "ministral3", "mixtral", "qwen2", "qwen3", "qwen2_moe", "qwen3_moe", "phi3"),
        *(
            "qwen3_next",
            "qwen3_5",
            "qwen3_5_text",
            "qwen3_5_moe",
            "qwen3_5_moe_text",
            "deepseek_v2",
            "deepseek_v3",
            "deepseek_v32",
        ),
        *(
            "kimi_k2",
            "kimi_k25",
            "glm4_moe",
            "glm_moe_dsa",
            "gpt_oss",
            "gemma",
            "gemma2",
            "gemma3",
            "gemma3_text",
            "minimax_m2",
        ),
        *(
            "olmo2",
            "olmo3",
            "granite",
            "seed_oss",
            "exaone4",
            "qwen3_vl_text",
            "qwen3_vl_moe_text",
            "qwen2_5_vl",
            "qwen2_vl",
        ),
    )
)
"""Architectures (model_type) of which the count agrees with what is published, within 1 %. Norms, biases, routers and what a model
has for images aren't counted."""


def count(text: Mapping[str, Any]) -> int:
    """Return the number of parameters. Raises KeyError with a field that is missing."""
    hidden = text["hidden_size"]
    layers = text["num_hidden_layers"]
    tied = text.get("tie_word_embeddings", str(text.get("model_type")).startswith("gemma"))
    embeddings = text["vocab_size"] * hidden * (1 if tied else 2)
    sparse = _sparse_layers(text)
    dense = 0
    if layers > sparse:
        dense = (layers - sparse) * 3 * hidden * text["intermediate_size"]
    return int(embeddings + _mixers(text) + dense + sparse * _shared(text) + experts(text))


def experts(text: Mapping[str, Any]) -> int:
    """Return the number of parameters in routed experts; 0 where there are none."""
    width = text.get("moe_intermediate_size") or text.get("intermediate_size") or 0
    return int(_sparse_layers(text) * _experts(text) * 3 * int(text.get("hidden_size") or 0) * width)


def _experts(text: Mapping[str, Any]) -> int:
    return int(text.get("n_routed_experts") or text.get("num_experts") or text.get("num_local_experts") or 0)


def _sparse_layers(text: Mapping[str, Any]) -> int:
    """Return how many layers have experts."""
    if _experts(text) < 2:
        return 0
    layers = int(text.get("num_hidden_layers") or 0)
    step = int(text.get("decoder_sparse_step") or 1)
    first = int(text.get("first_k_dense_replace") or 0)
    return (layers - first) // step - len(text.get("mlp_only_layers") or ())


def _shared(text: Mapping[str, Any]) -> int:
    width = text.get("shared_expert_intermediate_size")
    if width is None:
        width = (text.get("n_shared_experts") or 0) * (text.get("moe_intermediate_size") or 0)
    return 3 * int(text["hidden_size"]) * int(width)


def _mixers(text: Mapping[str, Any]) -> int:
    """Return the parameters of attention, and of linear layers, over all layers."""
    layers = int(text["num_hidden_layers"])
    linear = _linear_layers(text)
    each = _latent(text) if text.get("kv_lora_rank") else _grouped(text)
    return (layers - linear) * each + (linear * _linear(text) if linear else 0)


def _linear_layers(text: Mapping[str, Any]) -> int:
    kinds = text.get("layer_types")
    if kinds:
        return list(kinds).count("linear_attention")
    if text.get("full_attention_interval") and text.get("linear_num_value_heads"):
        return int(text["num_hidden_layers"]) - int(text["num_hidden_layers"]) // int(text["full_attention_interval"])
    return 0


def _grouped(text: Mapping[str, Any]) -> int:
    hidden, heads = int(text["hidden_size"]), int(text["num_attention_heads"])
    width = int(text.get("head_dim") or hidden // heads)
    kept = int(text.get("num_key_value_heads") or heads)
    # A gate on the output has the width of the queries.
    gated = 3 if text.get("attn_output_gate") or text.get("model_type") == "qwen3_next" else 2
    return hidden * width * (gated * heads + 2 * kept)


def _latent(text: Mapping[str, Any]) -> int:
    hidden, heads = int(text["hidden_size"]), int(text["num_attention_heads"])
    rope, nope, value = int(text["qk_rope_head_dim"]), int(text["qk_nope_head_dim"]), int(text["v_head_dim"])
    rank, queries = int(text["kv_lora_rank"]), int(text.get("q_lora_rank") or 0)
    query = queries * (hidden + heads * (nope + rope)) if queries else hidden * heads * (nope + rope)
    index = 0
    if text.get("index_n_heads"):
        width = int(text["index_head_dim"])
        index = queries * int(text["index_n_heads"]) * width + hidden * (width + int(text["index_n_heads"]))
    return query + hidden * (rank + rope) + rank * heads * (nope + value) + heads * value * hidden + index


def _linear(text: Mapping[str, Any]) -> int:
    hidden = int(text["hidden_size"])
    keys = int(text["linear_num_key_heads"]) * int(text["linear_key_head_dim"])
    heads = int(text["linear_num_value_heads"])
    values = heads * int(text["linear_value_head_dim"])
    return hidden * (2 * keys + 2 * values + 2 * heads) + values * hidden
