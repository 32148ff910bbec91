"""Reads models' names as developers and others write them: what names a model, and what only says how its weights are stored.

Nothing else is guessed: a name that says another size, a modality or a distillation keeps that word and so is another model's.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from daulat.api.accelerator import Precision

_TUNED = frozenset(("instruct", "chat", "base", "it", "hf"))
"""Words for a model that was tuned further, or converted, without a change of its shape."""
_STORED: dict[str, Precision] = {
    **dict.fromkeys(("fp8", "fp8-block", "fp8-dynamic", "fp8-static-pertensor", "float8"), "FP8"),
    **dict.fromkeys(("w8a8", "w8a8-dynamic", "w8a8-mtp", "quantized.w8a8", "int8", "gptq-int8", "8bit"), "INT8"),
    **dict.fromkeys(
        ("w4a8", "w4a8-mtp", "w4a16", "quantized.w4a16", "int4", "awq", "awq-int4", "gptq", "gptq-int4", "4bit"), "INT4"
    ),
    "mxfp4": "MXFP4",
    "bf16": "BF16",
    "fp16": "FP16",
}
"""Words at the end of a name for how the weights are stored."""
_SLIP = 0.75
"""How alike two families are written at least if one is a slip of the other: as quen and qwen, not as internlm and ministral."""
_SCALES_BY_CHANNEL = frozenset(("fp8-dynamic", "fp8-static-pertensor"))


@dataclass(frozen=True)
class ModelName:
    """What a name says."""

    organisation: str
    """Who publishes these weights, in lower case; empty where the name doesn't say."""
    written: str
    """The model, in lower case, without what says how its weights are stored."""
    model: str
    """The same, without words that leave its shape as it is."""
    precision: Precision | None = None
    """The form of the weights, where the name says."""
    in_blocks: bool = True
    """Whether FP8 weights may have their scales by block."""


def parse(name: str) -> ModelName:
    """Return what a name says, such as meta-llama/Llama-3.1-8B-Instruct or vllm-ascend/DeepSeek-R1-W8A8."""
    organisation, _, rest = name.lower().rpartition("/")
    words = rest.replace("_", "-").split("-")
    ending = next((e for n in (3, 2, 1) if len(words) > n and (e := "-".join(words[-n:])) in _STORED), "")
    if ending:
        words = words[: -(ending.count("-") + 1)]
    if words[:2] == ["meta", "llama"]:
        words = words[1:]
    written = "-".join(words)
    model = "-".join(w for w in words if w not in _TUNED) or written
    return ModelName(organisation, written, model, _STORED.get(ending), ending not in _SCALES_BY_CHANNEL)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like this one: one that begins with it or as it does, else the most similar of a family
    that is written alike; empty where none is similar."""
    asked = parse(name).model
    names = [k for k in sorted(known) if _alike(_family(asked), _family(k))]
    longer = [k for k in names if k.startswith(asked)]
    if longer:
        return min(longer, key=len)
    found = difflib.get_close_matches(asked, names, n=1)
    return found[0] if found else ""


def _family(model: str) -> str:
    """Return the letters that a name begins with, such as qwen."""
    return "".join(itertools.takewhile(str.isalpha, model))


def _alike(one: str, other: str) -> bool:
    """Say whether one could be a slip of the other."""
    return difflib.SequenceMatcher(None, one, other).ratio() >= _SLIP
