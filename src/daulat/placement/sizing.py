"""How many devices a replica needs: what its weights and its cache take, and how both can be divided.

The rule for memory is vLLM's: a share of each device is the engine's, weights and working memory go there first, and what is
left keeps keys and values. How a model can be divided says ``division``, and the words are ``account``'s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from daulat.api.accelerator import AcceleratorProfileSpec, Precision
from daulat.catalog.models import ModelShape

from .account import Line, gib, kib, size_of, ways, why_divided, why_memory, why_token, why_weights
from .division import Division, Limits, divisions, indivisible

GIB = 1 << 30
_ENGINES_SHARE = {"NVIDIA": 0.92, "AMD": 0.92}
"""The part of a device's memory that the engine takes, by the device's vendor: vLLM's default for --gpu-memory-utilization from
0.21 on, which the shipped images have. From that version on, CUDA graphs count within it; earlier ones took 0.90, and graphs
beside it."""
_OTHERS_SHARE = 0.90
"""The same for other vendors. Ascend's documentation sets 0.90 in its commands, and what is published of models on Ascend agrees
with it: with 0.92, Qwen3.5 397B would be said to fit where it is reported not to."""
RUNTIME_GIB = 2.3
"""Libraries, graphs and communication buffers on each device, as KAITO's estimator has it (pkg/workspace/estimator)."""
WORKING_FACTOR = 1.07
"""Weights in memory against weights in files (1.02), and working memory that grows with them (1.05); KAITO's factors."""
_BYTES: dict[Precision, float] = {
    "FP32": 4,
    "BF16": 2,
    "FP16": 2,
    "FP8": 1,
    "INT8": 1,
    "INT4": 0.53125,
    "MXFP4": 0.53125,
}
"""Bytes for each parameter. MXFP4 keeps a scale of 8 bits for every 32 parameters beside them, INT4 one of 16 bits for every 64
where the model's groupSize doesn't say otherwise."""
_EXPERTS_ONLY: frozenset[Precision] = frozenset(("MXFP4",))
_WIDER: dict[Precision, tuple[Precision, ...]] = {
    "FP8": ("BF16", "FP16"),
    "INT8": ("BF16", "FP16"),
    "INT4": (),
    "MXFP4": ("BF16", "FP16"),
    "BF16": ("FP16",),
    "FP16": ("BF16",),
    "FP32": ("BF16", "FP16"),
}
"""What weights can be turned into where the accelerator doesn't compute in their precision."""


class NoFit(ValueError):
    """The model doesn't fit; the message has the numbers."""


class Unknown(NoFit):
    """The profile says too little to tell whether the model fits; the message names the missing fields."""


class Indivisible(NoFit):
    """Engines end at their start with so many devices, whatever memory they have."""


@dataclass(frozen=True)
class Sizing:
    """What a replica needs, and how that came about."""

    devices: int
    nodes: int
    tensor_parallel: int
    pipeline_parallel: int
    precision: Precision
    context: int
    concurrency: int
    weights_gib: float
    """Of the whole model."""
    cache_gib: float
    """For so many sequences of that length, over all devices."""
    needed_gib: float
    """On the device that needs most."""
    usable_gib: float
    """On each device."""
    cache_tokens: int
    """How many tokens' keys and values there is room for at once."""
    lines: tuple[Line, ...]
    """The account, line by line."""


@dataclass(frozen=True)
class Ask:
    """What is to be sized."""

    model: ModelShape
    profile_name: str
    profile: AcceleratorProfileSpec
    precision: Precision | None = None
    """Of the weights; left out, the first one that the developer publishes and the accelerator can use."""
    context: int | None = None
    """Tokens in one sequence; left out, as many as the model was made for."""
    concurrency: int = 1
    """Sequences of that length at the same time."""
    devices: int | None = None
    """How many devices there shall be; left out, as few as it takes."""
    nodes: int | None = None
    """On how many nodes they shall be; left out, on as few as it takes."""
    stages: bool = True
    """Whether the engine can divide layers into stages of a pipeline."""
    division: Division | None = None
    """The one division to look at; left out, the first in which the model fits."""


def size(ask: Ask) -> Sizing:
    """Return what a replica needs. Raises NoFit."""
    memory, per_node, supported = _known(ask)
    precision = _precision(ask, supported)
    context = ask.context or ask.model.context
    if context > ask.model.context:
        raise NoFit(f"a context of {context} tokens was requested; {ask.model.name} was made for {ask.model.context}")
    usable = memory * engines_share(ask.profile)
    tried: list[tuple[Division, float]] = []
    limits = _limits(ask, per_node)
    for division in (ask.division,) if ask.division is not None else divisions(ask.model, precision, limits):
        needed = _needed(ask, precision, context, division)
        if needed <= usable:
            return _told(ask, precision, context, division, needed, usable, memory, tried)
        tried.append((division, needed))
    if not tried:
        raise Indivisible(_indivisible(ask, precision, limits))
    raise NoFit(_too_large(ask, precision, context, usable, memory, tried))


def engines_share(profile: AcceleratorProfileSpec) -> float:
    """Return the part of a device's memory that engines take there."""
    return _ENGINES_SHARE.get(profile.vendor.name, _OTHERS_SHARE)


def dividing(ask: Ask) -> Division | None:
    """Return the first way to divide the model between the devices that are requested, whether it fits or not."""
    limits = _limits(ask, ask.profile.devices_per_node or ask.devices or 1)
    return next(divisions(ask.model, likely_precision(ask), limits), None)


def likely_precision(ask: Ask) -> Precision:
    """Return the precision of the weights, also where the profile says too little or doesn't serve it."""
    try:
        return ask.precision or _precision(ask, ask.profile.precisions)
    except NoFit:
        return ask.model.precisions[0]


def weights_bytes(model: ModelShape, precision: Precision) -> float:
    """Return the size of the weights in that precision. Some precisions quantize only expert layers; the rest has 16 bits."""
    # So is a developer's own INT4; INT4 by others may quantize every layer.
    published = precision == "INT4" and precision in model.precisions
    each = 0.5 + 2 / model.group_size if published and model.group_size is not None else _BYTES[precision]
    if precision in _EXPERTS_ONLY or (published and model.expert_parameters > 0):
        return model.expert_parameters * each + (model.parameters - model.expert_parameters) * _BYTES["BF16"]
    return model.parameters * each


def _known(ask: Ask) -> tuple[float, int, Sequence[Precision]]:
    profile, memory = ask.profile, ask.profile.resources[0].allocatable_gib
    if memory is None or profile.devices_per_node is None or not profile.precisions:
        raise Unknown(f"profile {ask.profile_name} doesn't say {' and '.join(_missing(profile))}")
    return memory, profile.devices_per_node, profile.precisions


def _missing(profile: AcceleratorProfileSpec) -> list[str]:
    given = {
        "how much memory a device has: resources[0].memoryGiB": profile.resources[0].allocatable_gib is not None,
        "how many devices a node has: devicesPerNode": profile.devices_per_node is not None,
        "in which precisions it computes: precisions": bool(profile.precisions),
    }
    return [field for field, there in given.items() if not there]


def _precision(ask: Ask, supported: Sequence[Precision]) -> Precision:
    """Return the precision of the weights on this accelerator."""
    if ask.precision is not None:
        if ask.precision not in supported:
            raise NoFit(
                f"{ask.profile_name} doesn't compute in {ask.precision}; it has {', '.join(supported)}. "
                f"{ask.model.name} is published in {', '.join(ask.model.precisions)}"
            )
        return ask.precision
    for published in ask.model.precisions:
        if published in supported:
            return published
    for published in ask.model.precisions:
        for wider in _WIDER[published]:
            if wider in supported:
                return wider
    raise NoFit(
        f"{ask.model.name} is published in {', '.join(ask.model.precisions)}; {ask.profile_name} computes in "
        f"{', '.join(supported)}, and nothing turns the one into the other"
    )


def _limits(ask: Ask, per_node: int) -> Limits:
    # Engines can't divide a model between parts of devices.
    alone = per_node == 1 and ask.profile.resources[0].sharing != "Whole"
    return Limits(per_node, ask.profile.devices_per_package, ask.stages and not alone, ask.devices, ask.nodes)


def _needed(ask: Ask, precision: Precision, context: int, division: Division) -> float:
    """Return what the device that needs most needs, in GiB."""
    share = _layers_share(ask.model, division)
    weights = weights_bytes(ask.model, precision) * share / division.tensor
    cache = _cache_bytes(ask.model, context, division) * ask.concurrency
    return weights / GIB * WORKING_FACTOR + RUNTIME_GIB + cache / GIB


def _layers_share(model: ModelShape, division: Division) -> float:
    """Return the part of the layers that the longest stage has."""
    return math.ceil(model.layers.total / division.pipeline) / model.layers.total


def _cache_bytes(model: ModelShape, context: int, division: Division) -> float:
    """Return what one sequence takes on one device. Heads and their states are divided as far as there are any; a latent pair and
    an index are kept by all."""
    attention, layers = model.attention, model.layers
    divided = 1 if attention.form == "MLA" else min(division.tensor, attention.key_value_heads or 1)
    pairs = attention.bytes_for_token * layers.tokens_kept(context) / divided
    kept = pairs + layers.index_bytes(context) + layers.state_bytes / division.tensor
    return kept * _layers_share(model, division)


def _told(
    ask: Ask,
    precision: Precision,
    context: int,
    division: Division,
    needed: float,
    usable: float,
    memory: float,
    tried: Sequence[tuple[Division, float]],
) -> Sizing:
    weights = weights_bytes(ask.model, precision) / GIB
    one = _cache_bytes(ask.model, context, division)
    # Windowed layers fill up early: what a token takes is an average over a sequence of this length.
    free = (usable - needed) * GIB + one * ask.concurrency
    tokens = int(free / (one / context)) if one else 0
    cache = ask.model.bytes_kept(context) * ask.concurrency / GIB
    divided = why_divided(ask.model, ask.profile, division, _why_stages(ask, precision, division))
    lines = (
        Line(
            "weights",
            gib(weights),
            why_weights(ask.model, precision, ask.profile_name, asked=ask.precision is not None),
        ),
        Line(
            "a token's keys and values",
            kib(ask.model.bytes_kept(context) / context),
            why_token(ask.model),
        ),
        Line("cache", gib(cache), f"{ask.concurrency} x {context} tokens"),
        Line(
            "a device", gib(memory), why_memory(ask.profile.resources[0], usable, f"{engines_share(ask.profile):.0%}")
        ),
        *(Line(ways(d), "too few", f"{gib(n)} on a device") for d, n in tried[-2:]),
        Line(
            ways(division),
            "fits",
            f"{gib(needed)} on a device; {divided}",
        ),
        Line("room for", f"{tokens} tokens", "in the cache, over all sequences"),
    )
    return Sizing(
        devices=division.devices,
        nodes=division.nodes,
        tensor_parallel=division.tensor,
        pipeline_parallel=division.pipeline,
        precision=precision,
        context=context,
        concurrency=ask.concurrency,
        weights_gib=round(weights, 1),
        cache_gib=round(cache, 1),
        needed_gib=round(needed, 1),
        usable_gib=round(usable, 1),
        cache_tokens=tokens,
        lines=lines,
    )


def _too_large(
    ask: Ask,
    precision: Precision,
    context: int,
    usable: float,
    memory: float,
    tried: Sequence[tuple[Division, float]],
) -> str:
    division, needed = tried[-1]
    weights = weights_bytes(ask.model, precision) / GIB
    each = "a device" if division.devices == 1 else f"each of {division.devices} devices"
    return (
        f"{ask.model.name} needs {gib(needed)} on {each} of {ask.profile_name} "
        f"({gib(weights)} of weights in {precision}, {ask.concurrency} x {context} tokens); "
        f"the engine has {gib(usable)} of {size_of(memory)} there"
    )


def _indivisible(ask: Ask, precision: Precision, limits: Limits) -> str:
    asked = f"{ask.devices} devices" if ask.devices else "any number of devices"
    why = indivisible(ask.model, precision, ask.devices) if ask.devices else ""
    return (
        f"{ask.model.name} can't be divided between {asked} of {ask.profile_name}: "
        + (f"{why}; " if why else "")
        + f"a node has {limits.per_node}, in steps of {limits.package}"
    )


def _why_stages(ask: Ask, precision: Precision, division: Division) -> str:
    """Return why the devices of a node are divided into stages, where they are."""
    in_a_node = division.devices // division.nodes
    return indivisible(ask.model, precision, in_a_node) if division.pipeline > division.nodes else ""
