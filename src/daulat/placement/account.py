"""The words of a sizing: what each line of the account means, and why something doesn't fit. It computes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from daulat.api.accelerator import AcceleratorProfileSpec, DeviceResource, Precision
from daulat.catalog.models import ModelShape

from .division import Division


@dataclass(frozen=True)
class Line:
    """One line of the account."""

    what: str
    value: str
    why: str


def why_weights(model: ModelShape, precision: Precision, profile: str, *, asked: bool) -> str:
    """Return what the weights are; ``asked`` says that their precision was given, and not derived from what is served."""
    billions = f"{model.parameters / 1e9:.1f} billion parameters in {precision}"
    if precision in model.precisions:
        return billions
    published = ", ".join(model.precisions)
    if asked:
        return f"{billions}, as specified; published in {published}"
    return f"{billions}: {profile} doesn't compute in {published}"


def why_token(model: ModelShape) -> str:
    """Return what a token keeps in which layers."""
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


def why_memory(device: DeviceResource, usable: float, share: str) -> str:
    """Return what of a device's memory the engine has."""
    engines = f"of which {share} are the engine's: {gib(usable)}"
    if device.allocatable_memory_mi_b is None or device.memory_gi_b is None:
        return engines
    return f"can be allocated of {device.memory_gi_b} GiB, {engines}"


def why_divided(model: ModelShape, profile: AcceleratorProfileSpec, division: Division, why_not_more: str) -> str:
    """Return how the model is divided; ``why_not_more`` says why no more devices share a layer, where that matters."""
    if division.devices == 1:
        return "nothing is divided"
    reasons = [f"{division.tensor} divide {model.attention.heads} heads"] if division.tensor > 1 else []
    if profile.devices_per_package > 1:
        reasons.append(f"in packages of {profile.devices_per_package}")
    if division.pipeline > 1:
        reasons.append(f"{division.pipeline} stages divide {model.layers.total} layers")
    return ", ".join(reasons) + (f"; {why_not_more}" if why_not_more else "")


def ways(division: Division) -> str:
    """Return the devices, and the nodes where there are several."""
    nodes = f" on {division.nodes} nodes" if division.nodes > 1 else ""
    return f"{division.devices} {'device' if division.devices == 1 else 'devices'}{nodes}"


def gib(number: float) -> str:
    """Return a number of GiB."""
    return f"{number:.1f} GiB"


def size_of(memory: float) -> str:
    """Return a device's memory in GiB, to two digits where it isn't whole."""
    return f"{round(memory, 2):g} GiB"


def kib(number: float) -> str:
    """Return a number of bytes in KiB."""
    return f"{number / 1024:.1f} KiB"


def _tokens(number: int) -> str:
    return "a token" if number == 1 else f"{number} tokens"
