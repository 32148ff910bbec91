"""Reads a model's shape out of its config.json, as developers publish it, for models that the catalogue doesn't have.

Parameters are counted only for architectures of which the count is known to agree with what developers publish; for others their
number has to be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from daulat.api.accelerator import Precision

from .model_names import parse
from .models import ModelShape
from .parameters import COUNTED, count, experts

_UNSUPPORTED = ("hybrid_override_pattern", "layers_block_type", "mamba_d_state", "ssm_cfg", "compress_ratios")
"""Fields of layers whose states aren't known here."""
_DTYPES: dict[str, Precision] = {"bfloat16": "BF16", "float16": "FP16", "float32": "FP32"}


class ConfigError(ValueError):
    """The configuration doesn't say what sizing needs; the message names the field."""


def shape_of(config: Mapping[str, Any], name: str, parameters: int | None = None) -> ModelShape:
    """Return the shape of a model with that configuration; ``parameters`` is their number where it isn't to be counted.

    Raises ConfigError.
    """
    try:
        return _shape(config, _text(config), name, parameters)
    except ConfigError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc'])) or 'the model'}: {first['msg']}") from error
    except (TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError) as error:
        raise ConfigError(f"a field has a value of another type than config.json has there: {error}") from error


def _shape(config: Mapping[str, Any], text: Mapping[str, Any], name: str, parameters: int | None) -> ModelShape:
    for field in _UNSUPPORTED:
        if text.get(field):
            raise ConfigError(f"{field}: sizing can't compute the memory of such layers for a sequence")
    precision, scales = _precision(config, text)
    layers, attention = _layers(text), _attention(text)
    _number(text, "hidden_size", "n_embd")
    return ModelShape.model_validate(
        {
            "name": _plain(name),
            "parameters": parameters or _counted(text),
            "expertParameters": experts(text),
            "layers": layers,
            "attention": attention,
            **_widths(text),
            **scales,
            "context": _number(text, "max_position_embeddings", "n_positions", "max_sequence_length", "seq_length"),
            "precisions": [precision],
        }
    )


def _text(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part about text of a model that takes images as well."""
    for part in ("text_config", "llm_config", "language_config"):
        if isinstance(config.get(part), Mapping):
            return {"model_type": config.get("model_type"), **config[part]}
    return config


def _number(text: Mapping[str, Any], *names: str) -> int:
    for name in names:
        found = text.get(name)
        if isinstance(found, int) and not isinstance(found, bool) and found > 0:
            return found
    raise ConfigError(f"{names[0]}: it is missing, or no positive number")


def _plain(name: str) -> str:
    plain = "".join(c if c.isalnum() or c in ".-" else "-" for c in parse(name).written)
    return plain.strip("-.") or "model"


def _counted(text: Mapping[str, Any]) -> int:
    kind = str(text.get("model_type"))
    if kind not in COUNTED:
        raise ConfigError(f"model_type {kind}: its parameters can't be counted, so their number has to be given")
    try:
        return count(text)
    except KeyError as error:
        raise ConfigError(f"{error.args[0]}: it is missing, so parameters can't be counted") from error


def _attention(text: Mapping[str, Any]) -> dict[str, int]:
    heads = _number(text, "num_attention_heads", "n_head")
    if text.get("kv_lora_rank"):
        return {"heads": heads, "latentWidth": _number(text, "kv_lora_rank") + _number(text, "qk_rope_head_dim")}
    kept = text.get("num_key_value_heads") or heads
    width = text.get("head_dim") or _number(text, "hidden_size", "n_embd") // heads
    return {"heads": heads, "keyValueHeads": int(kept), "headWidth": int(width)}


def _layers(text: Mapping[str, Any]) -> dict[str, Any]:
    total = _number(text, "num_hidden_layers", "n_layer", "num_layers")
    layers: dict[str, Any] = {"total": total}
    kinds = [str(kind) for kind in text.get("layer_types") or ()]
    window = text.get("sliding_window")
    if isinstance(window, int) and window > 0:
        pattern = text.get("sliding_window_pattern")
        windowed = kinds.count("sliding_attention")
        if not kinds and isinstance(pattern, int) and pattern > 1:
            windowed = total - total // pattern
        layers |= {"windowed": windowed, "window": window} if windowed else {}
    stateful = kinds.count("linear_attention")
    if not kinds and text.get("full_attention_interval") and text.get("linear_num_value_heads"):
        stateful = total - total // _number(text, "full_attention_interval")
    if stateful:
        layers |= {"stateful": stateful, "state": _state(text)}
    if text.get("index_topk"):
        layers["index"] = {"layers": total, "width": _number(text, "index_head_dim")}
    return layers


def _state(text: Mapping[str, Any]) -> int:
    """Return the bytes of a linear layer's state: 32 bits for its heads, 16 for its convolution."""
    keys = _number(text, "linear_num_key_heads") * _number(text, "linear_key_head_dim")
    heads, width = _number(text, "linear_num_value_heads"), _number(text, "linear_value_head_dim")
    convolution = (2 * keys + heads * width) * (_number(text, "linear_conv_kernel_dim") - 1)
    return 4 * heads * width * _number(text, "linear_key_head_dim") + 2 * convolution


def _widths(text: Mapping[str, Any]) -> dict[str, int]:
    dense, expert = text.get("intermediate_size"), text.get("moe_intermediate_size")
    if not experts(text):
        return {"intermediateSize": int(dense)} if dense else {}
    if not expert:
        return {"moeIntermediateSize": int(dense)} if dense else {}
    has_dense = dense is not None and (text.get("first_k_dense_replace") or text.get("mlp_only_layers"))
    return {"moeIntermediateSize": int(expert), **({"intermediateSize": int(dense or 0)} if has_dense else {})}


def _precision(config: Mapping[str, Any], text: Mapping[str, Any]) -> tuple[Precision, dict[str, int]]:
    """Return the form of the weights, and what their scales are shared by."""
    found = config.get("quantization_config") or text.get("quantization_config")
    if not isinstance(found, Mapping):
        kind = str(text.get("dtype") or text.get("torch_dtype") or config.get("torch_dtype") or "bfloat16")
        if kind not in _DTYPES:
            raise ConfigError(f"torch_dtype {kind}: sizing has no size for it")
        return _DTYPES[kind], {}
    method = str(found.get("quant_method"))
    block = found.get("weight_block_size")
    if method == "fp8":
        return "FP8", {"fp8Block": int(block[0])} if block else {}
    if method == "mxfp4":
        return "MXFP4", {}
    if method in ("awq", "gptq"):
        return ("INT8" if found.get("bits") == 8 else "INT4"), _group(found.get("group_size"))
    if method == "compressed-tensors":
        return _compressed(found)
    if method == "modelopt" and found.get("quant_algo") == "FP8":
        return "FP8", {}
    raise ConfigError(f"quantization_config.quant_method {method}: sizing has no size for it")


def _compressed(found: Mapping[str, Any]) -> tuple[Precision, dict[str, int]]:
    groups = found.get("config_groups") or {}
    weights: Mapping[str, Any] = next(
        (g["weights"] for g in groups.values() if isinstance(g, Mapping) and g.get("weights")), {}
    )
    bits, kind, block = weights.get("num_bits"), weights.get("type"), weights.get("block_structure")
    if (bits, kind) == (8, "float"):
        return "FP8", {"fp8Block": int(block[0])} if weights.get("strategy") == "block" and block else {}
    if (bits, kind) == (8, "int"):
        return "INT8", {}
    if (bits, kind) == (4, "int"):
        return "INT4", _group(weights.get("group_size"))
    raise ConfigError(f"quantization_config: sizing doesn't support weights of {bits} bits of type {kind}")


def _group(size: object) -> dict[str, int]:
    return {"groupSize": size} if isinstance(size, int) and size > 0 else {}
