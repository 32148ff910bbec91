"""How many devices a replica needs: what its weights and its cache take, and how both can be divided.

The rule for memory is vLLM's: a share of each device is the engine's, weights and working memory go there first, and what is
left keeps keys and values. Tensor parallelism divides heads within a node, and pipeline parallelism divides layers between nodes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daulat.api.accelerator import AcceleratorProfileSpec, Precision
from daulat.catalog.models import ModelFacts

GIB = 1 << 30
ENGINES_SHARE = 0.90
"""The part of a device's memory that the engine takes; vLLM's --gpu-memory-utilization when nothing is said."""
RUNTIME_GIB = 2.3
"""Libraries, graphs and communication buffers on each device, as KAITO's estimator has it (pkg/workspace/estimator)."""
WORKING_FACTOR = 1.07
"""Weights in memory against weights in files (1.02), and working memory that grows with them (1.05); KAITO's factors."""
MAX_NODES = 16
_BYTES: dict[Precision, float] = {
    "FP32": 4,
    "BF16": 2,
    "FP16": 2,
    "FP8": 1,
    "INT8": 1,
    "INT4": 0.53125,
    "MXFP4": 0.53125,
}
"""Bytes for each parameter. Four-bit forms keep a scale for every 32 or 16 parameters beside them."""
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
    """The model doesn't fit, or too little is known to say; the message has the numbers."""


@dataclass(frozen=True)
class Line:
    """One line of the account."""

    what: str
    value: str
    why: str


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

    model: ModelFacts
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


@dataclass(frozen=True)
class _Division:
    """Devices that share each layer, stages that follow each other, and the nodes that they are on."""

    tensor: int
    pipeline: int
    nodes: int

    @property
    def devices(self) -> int:
        return self.tensor * self.pipeline


def size(ask: Ask) -> Sizing:
    """Return what a replica needs. Raises NoFit."""
    memory, per_node, supported = _known(ask)
    precision = _precision(ask, supported)
    context = ask.context or ask.model.context
    if context > ask.model.context:
        raise NoFit(f"a context of {context} tokens was asked for; {ask.model.name} was made for {ask.model.context}")
    usable = memory * ENGINES_SHARE
    tried: list[tuple[_Division, float]] = []
    for division in _divisions(ask, per_node):
        needed = _needed(ask, precision, context, division)
        if needed <= usable:
            return _told(ask, precision, context, division, needed, usable, memory, tried)
        tried.append((division, needed))
    raise NoFit(_too_large(ask, precision, context, usable, memory, per_node, tried))


def weights_bytes(model: ModelFacts, precision: Precision) -> float:
    """Return what the weights take in that precision. Some precisions are for experts alone; the rest is then in 16 bits."""
    # A developer's own INT4 is for experts alone too; others' may be for everything.
    published = precision == "INT4" and precision in model.precisions and model.expert_parameters > 0
    if precision in _EXPERTS_ONLY or published:
        return (
            model.expert_parameters * _BYTES[precision] + (model.parameters - model.expert_parameters) * _BYTES["BF16"]
        )
    return model.parameters * _BYTES[precision]


def _known(ask: Ask) -> tuple[int, int, Sequence[Precision]]:
    memory = ask.profile.resources[0].memory_gi_b
    if memory is None:
        raise NoFit(f"profile {ask.profile_name} doesn't say how much memory a device has: resources[0].memoryGiB")
    if ask.profile.devices_per_node is None:
        raise NoFit(f"profile {ask.profile_name} doesn't say how many devices a node has: devicesPerNode")
    if not ask.profile.precisions:
        raise NoFit(f"profile {ask.profile_name} doesn't say in which precisions it computes: precisions")
    return memory, ask.profile.devices_per_node, ask.profile.precisions


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


def _divisions(ask: Ask, per_node: int) -> Iterator[_Division]:
    """Yield the ways to divide the model, the fewest devices first."""
    heads, kept = ask.model.attention.heads, ask.model.attention.key_value_heads or 1
    grain = ask.profile.devices_per_package
    within = [
        n
        for n in range(grain, per_node + 1, grain)
        if heads % n == 0 and (kept % n == 0 or n % kept == 0 or ask.model.attention.form == "MLA")
    ]
    if not within:
        return
    found = [_Division(n, 1, 1) for n in within]
    # Engines can't divide a model between parts of devices.
    alone = per_node == 1 and ask.profile.resources[0].sharing != "Whole"
    tensor = within[-1]
    in_a_node = per_node // tensor
    longest = 1 if alone else min(MAX_NODES * in_a_node, ask.model.layers.total)
    found += [_Division(tensor, stages, math.ceil(stages / in_a_node)) for stages in range(2, longest + 1)]
    # Every node of a replica has as many devices as the others.
    found = [d for d in found if d.devices % d.nodes == 0]
    yield from (
        d
        for d in found
        if (ask.devices is None or d.devices == ask.devices) and (ask.nodes is None or d.nodes == ask.nodes)
    )


def _needed(ask: Ask, precision: Precision, context: int, division: _Division) -> float:
    """Return what the device that needs most needs, in GiB."""
    share = _layers_share(ask.model, division)
    weights = weights_bytes(ask.model, precision) * share / division.tensor
    cache = _cache_bytes(ask.model, context, division) * ask.concurrency
    return weights / GIB * WORKING_FACTOR + RUNTIME_GIB + cache / GIB


def _layers_share(model: ModelFacts, division: _Division) -> float:
    """Return the part of the layers that the longest stage has."""
    return math.ceil(model.layers.total / division.pipeline) / model.layers.total


def _cache_bytes(model: ModelFacts, context: int, division: _Division) -> float:
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
    division: _Division,
    needed: float,
    usable: float,
    memory: int,
    tried: Sequence[tuple[_Division, float]],
) -> Sizing:
    weights = weights_bytes(ask.model, precision) / GIB
    one = _cache_bytes(ask.model, context, division)
    # Windowed layers fill up early: what a token takes is an average over a sequence of this length.
    free = (usable - needed) * GIB + one * ask.concurrency
    tokens = int(free / (one / context)) if one else 0
    cache = ask.model.bytes_kept(context) * ask.concurrency / GIB
    lines = (
        Line("weights", _gib(weights), _why_weights(ask, precision)),
        Line(
            "a token's keys and values",
            _kib(ask.model.bytes_kept(context) / context),
            _why_token(ask.model),
        ),
        Line("cache", _gib(cache), f"{ask.concurrency} x {context} tokens"),
        Line("a device", _gib(memory), f"of which {ENGINES_SHARE:.0%} are the engine's: {_gib(usable)}"),
        *(Line(_ways(d), "too few", f"{_gib(n)} on a device") for d, n in tried[-2:]),
        Line(_ways(division), "fits", f"{_gib(needed)} on a device; {_why_divided(ask, division)}"),
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
    memory: int,
    per_node: int,
    tried: Sequence[tuple[_Division, float]],
) -> str:
    if not tried:
        asked = f"{ask.devices} devices" if ask.devices else "any number of devices"
        return (
            f"{ask.model.name} has {ask.model.attention.heads} attention heads, which {asked} of {ask.profile_name} can't divide: "
            f"a node has {per_node}, in steps of {ask.profile.devices_per_package}"
        )
    division, needed = tried[-1]
    weights = weights_bytes(ask.model, precision) / GIB
    return (
        f"{ask.model.name} needs {_gib(needed)} on each of {division.devices} devices of {ask.profile_name} "
        f"({_gib(weights)} of weights in {precision}, {ask.concurrency} x {context} tokens); "
        f"the engine has {_gib(usable)} of {memory} GiB there"
    )


def _why_weights(ask: Ask, precision: Precision) -> str:
    billions = f"{ask.model.parameters / 1e9:.1f} billion parameters in {precision}"
    if precision in ask.model.precisions:
        return billions
    return f"{billions}: {ask.profile_name} doesn't compute in {', '.join(ask.model.precisions)}"


def _why_token(model: ModelFacts) -> str:
    attention, layers = model.attention, model.layers
    form = f"{attention.form}, {layers.total} layers"
    if attention.latent_width is not None:
        form += f", {attention.latent_width} numbers of 2 bytes in each, on every device"
    else:
        form += f", {attention.key_value_heads} heads of {attention.head_width}"
    if layers.windowed:
        form += f"; {layers.windowed} layers keep the last {layers.window} tokens"
    for some in layers.compressed:
        form += f"; {some.layers} layers keep the last {layers.window} tokens and one entry for {some.every}"
    if layers.stateful:
        form += f"; {layers.stateful} layers keep none, but {layers.state / 1024:.0f} KiB for a sequence"
    if layers.index is not None:
        form += f"; {layers.index.layers} layers have an index, {layers.index.width} numbers for {_tokens(layers.index.every)}"
    return form


def _why_divided(ask: Ask, division: _Division) -> str:
    if division.devices == 1:
        return "nothing is divided"
    reasons = [f"{division.tensor} divide {ask.model.attention.heads} heads"]
    if ask.profile.devices_per_package > 1:
        reasons.append(f"in packages of {ask.profile.devices_per_package}")
    if division.pipeline > 1:
        reasons.append(f"{division.pipeline} stages divide {ask.model.layers.total} layers")
    return ", ".join(reasons)


def _ways(division: _Division) -> str:
    nodes = f" on {division.nodes} nodes" if division.nodes > 1 else ""
    return f"{division.devices} {'device' if division.devices == 1 else 'devices'}{nodes}"


def _tokens(number: int) -> str:
    return "a token" if number == 1 else f"{number} tokens"


def _gib(number: float) -> str:
    return f"{number:.1f} GiB"


def _kib(number: float) -> str:
    return f"{number / 1024:.1f} KiB"
