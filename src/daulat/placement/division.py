"""How a model can be divided between devices: by tensor parallelism within a layer, by pipeline parallelism between layers.

Engines end at their start where a size isn't divisible. That depends on the model's shape alone; memory is for ``sizing``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from daulat.api.accelerator import Precision
from daulat.catalog.models import ModelShape

MAX_NODES = 16
"""Nodes of a replica that are tried where their number isn't given."""


@dataclass(frozen=True)
class Division:
    """Devices that share each layer, stages that follow each other, and the nodes that they are on."""

    tensor: int
    pipeline: int
    nodes: int

    @property
    def devices(self) -> int:
        """The devices of a replica."""
        return self.tensor * self.pipeline


@dataclass(frozen=True)
class Limits:
    """What a division has to keep to beside the model's shape."""

    per_node: int
    """Devices of a node that one replica can have."""
    package: int = 1
    """Tensor parallelism takes packages whole: a multiple of so many devices."""
    stages: bool = True
    """Whether layers may be divided into stages: not between parts of devices, nor by every engine."""
    devices: int | None = None
    """How many devices there shall be; left out, any number."""
    nodes: int | None = None
    """On how many nodes they shall be; left out, on as few as it takes."""


def divisions(model: ModelShape, precision: Precision, limits: Limits) -> Iterator[Division]:
    """Yield the ways to divide the model. With a number of devices, the fewest nodes and then the fewest stages first; without one,
    the fewest devices first, with stages only beyond the most devices that can share a layer: stages wait for each other."""
    tensors = [
        n for n in range(limits.package, limits.per_node + 1, limits.package) if not indivisible(model, precision, n)
    ]
    if limits.devices is not None:
        yield from _of(limits.devices, model, tensors, limits)
        return
    found = [Division(n, 1, 1) for n in tensors]
    if tensors and limits.stages:
        most = tensors[-1]
        longest = min(MAX_NODES * (limits.per_node // most), model.layers.total)
        found += [d for n in range(2, longest + 1) if (d := _staged(most, n, limits)) is not None]
    yield from (d for d in found if limits.nodes in (None, d.nodes))


def _of(devices: int, model: ModelShape, tensors: list[int], limits: Limits) -> list[Division]:
    found: list[Division] = []
    for tensor in tensors:
        stages, over = divmod(devices, tensor)
        if over or not 1 <= stages <= model.layers.total or (stages > 1 and not limits.stages):
            continue
        if (division := _staged(tensor, stages, limits)) is not None:
            found.append(division)
    return sorted(found, key=lambda d: (d.nodes, d.pipeline))


def _staged(tensor: int, stages: int, limits: Limits) -> Division | None:
    """Return the stages on as few nodes as possible, or on as many as there shall be, with as many whole stages on each; None where
    that isn't possible."""
    in_a_node = limits.per_node // tensor
    least = math.ceil(stages / in_a_node)
    wanted = range(limits.nodes, limits.nodes + 1) if limits.nodes is not None else range(least, stages + 1)
    nodes = next((n for n in wanted if n >= least and stages % n == 0), None)
    return Division(tensor, stages, nodes) if nodes is not None else None


def indivisible(model: ModelShape, precision: Precision, tensor: int) -> str:
    """Return why that many devices can't share a layer, so that engines end at their start; empty where they can.

    vLLM divides query heads, key-value heads (or repeats them evenly), and the width of the feed-forward part. FP8 weights in
    blocks are divided between blocks alone (fp8_utils.py, validate_fp8_block_shape; fp8.py, Fp8MoEMethod).
    """
    if tensor == 1:
        return ""
    heads, kept = model.attention.heads, model.attention.key_value_heads
    if heads % tensor:
        return f"{heads} attention heads aren't divisible by {tensor}"
    if kept is not None and kept % tensor and tensor % kept:
        return f"{kept} key-value heads can't be divided evenly between {tensor} devices, nor repeated evenly on them"
    for what, width in _widths(model):
        if width % tensor:
            return f"{what} of {width} isn't divisible by {tensor}"
    block = model.fp8_block if precision == "FP8" else None
    if block is not None:
        for what, width in (*_widths(model), *_projections(model, tensor)):
            if (width // tensor) % block:
                return (
                    f"{what} of {width} leaves {width // tensor} for each of {tensor} devices, "
                    f"which isn't a multiple of the {block} that share a scale in its FP8 weights"
                )
    return ""


def _widths(model: ModelShape) -> Iterator[tuple[str, int]]:
    if model.moe_intermediate_size is not None:
        yield "an expert's intermediate size", model.moe_intermediate_size
    if model.intermediate_size is not None:
        yield "an intermediate size", model.intermediate_size


def _projections(model: ModelShape, tensor: int) -> Iterator[tuple[str, int]]:
    """Yield the widths of queries, and of keys and values, over all devices: repeated heads count each time."""
    attention = model.attention
    if attention.head_width is not None and attention.key_value_heads is not None:
        yield "a width of queries", attention.heads * attention.head_width
        yield "a width of keys", max(attention.key_value_heads, tensor) * attention.head_width
