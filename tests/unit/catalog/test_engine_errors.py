"""Why an engine didn't start is told in our words, and nothing that it printed gets through but numbers and plain identifiers."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from daulat.catalog.engine_errors import compiled, explained

CORE = "(EngineCore_DP0 pid=71) ERROR 11-20 10:00:00 [core.py:700] "
ALPHABET = st.characters(codec="utf-8", exclude_categories=["Cs"])


def entries() -> list[dict[str, Any]]:
    text = (resources.files("daulat.catalog") / "engine_errors.yaml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = yaml.safe_load(text)
    return found


REAL = [
    (
        CORE
        + "ValueError: The output_size of gate's and up's weight = 320 is not divisible by weight quantization block_n = 128.",
        "a width of 320 on each device isn't a multiple of the 128 that share a scale in the FP8 weights: set another count",
    ),
    (
        CORE
        + "ValueError: Weight input_size_per_partition = 192 is not divisible by weight quantization block_k = 128.",
        "a width of 192 on each device isn't a multiple of the 128 that share a scale in the FP8 weights: set another count",
    ),
    (CORE + "AssertionError: 10 is not divisible by 4", "10 can't be divided between 4 devices: set another count"),
    (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB",
        "the device ran out of memory when 2.00 GiB more were requested (CUDA)",
    ),
    (
        "RuntimeError: NPU out of memory. Tried to allocate 260.00 MiB (NPU 0; 28.50 GiB total capacity; 10.24 GiB already)",
        "the device ran out of memory when 260.00 MiB more were requested (NPU)",
    ),
    (
        CORE
        + "ValueError: To serve at least one request with the models's max seq len (131072), (34.00 GiB KV cache is needed, "
        "which is larger than the available KV cache memory (21.50 GiB). Based on the available memory, the estimated",
        "a sequence of 131072 tokens needs 34.00 GiB of KV cache, and there are 21.50 GiB: set a shorter spec.engine.context",
    ),
    (
        "ValueError: Free memory on device cuda:0 (3.25/23.43 GiB) on startup is less than desired GPU memory utilization "
        "(0.96, 22.49 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        "3.25 of the device's 23.43 GiB are free, and the engine wants 22.49",
    ),
    (
        "  Value error, User-specified max_model_len (65536) is greater than the derived max_model_len "
        "(max_position_embeddings=32768.0 or model_max_length=None in model's config.json).",
        "65536 tokens of context are requested, which is more than the model takes: set a shorter spec.engine.context",
    ),
    (
        "ValueError: Model architectures ['DbrxForCausalLM'] are not supported for now. Supported architectures: ['A', 'B']",
        "the engine doesn't know the architecture DbrxForCausalLM",
    ),
    (
        "ValueError: The quantization method modelopt is not supported for the current GPU. Minimum capability: 89. "
        "Current capability: 80.",
        "the accelerator can't do the quantisation modelopt: it has capability 80, and 89 is needed",
    ),
    (
        "ImportError: libascendcl.so: cannot open shared object file: No such file or directory",
        "the library libascendcl.so isn't in the container: the runtime that brings the driver in may not be used",
    ),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: '/models/config.json'",
        "the file /models/config.json isn't among the weights",
    ),
    ("OSError: [Errno 98] Address already in use", "its port is in use already"),
    (
        "vllm: error: unrecognized arguments: --enable-foo=secret-value",
        "the engine doesn't know the argument --enable-foo",
    ),
    (
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        "its engine process didn't start; what it failed of is further up in its log",
    ),
]


@pytest.mark.parametrize(("printed", "meant"), REAL)
def test_what_engines_really_print_is_told_in_our_words(printed: str, meant: str) -> None:
    assert explained(printed) == meant
    assert explained(f"Traceback (most recent call last):\n  File x\n{printed}\nINFO: bye") == meant


def test_the_cause_is_told_rather_than_what_follows_from_it() -> None:
    tail = f"{REAL[0][0]}\n{REAL[-1][0]}\n"
    assert explained(tail) == REAL[0][1]


def test_an_unknown_error_is_told_by_its_class_alone() -> None:
    tail = "Traceback (most recent call last):\n  File x\nmy.module.OddError: the prompt was: tell me about Aminah\n"
    assert explained(tail) == "of an OddError"
    assert explained("KeyError: 'a'\nduring that:\nValueError: b") == "of a ValueError"
    assert explained("Segmentation fault (core dumped)") == ""
    assert explained("") == ""


SECRETS = ["Aminah has diabetes", "s3cr3t", "sk-0123456789abcdef", "\x1b[31m", "\u202e", "<script>", "../../etc/shadow"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("each", entries(), ids=lambda e: e["prints"][:30])
def test_nothing_that_stands_where_a_value_is_expected_gets_through(each: dict[str, Any], secret: str) -> None:
    """Whatever stands in a hole, before or behind: only what has the hole's own narrow form may be told."""
    filled = re.sub(r"\{[a-z]+:[a-z]+\}", lambda _: secret, each["prints"])
    for printed in (
        filled,
        f"{secret} {filled} {secret}",
        f"ValueError: {secret}\n{filled}",
        f"{secret}\n" * 50 + filled,
    ):
        told = explained(printed)
        # One word may be an identifier by its form: where it stands for a name, a name is what it is.
        assert secret not in told or secret in ("s3cr3t", "sk-0123456789abcdef")
        assert told.isprintable()


@pytest.mark.parametrize("each", entries(), ids=lambda e: e["prints"][:30])
def test_every_entry_is_found_by_an_example_of_its_own_form(each: dict[str, Any]) -> None:
    examples = {
        "number": "12.5",
        "size": "2.00 GiB",
        "name": "Abc_1",
        "library": "libx.so.1",
        "weights": "/models/a.json",
        "option": "--a-b",
    }
    holes = dict(re.findall(r"\{([a-z]+):([a-z]+)\}", each["prints"]))
    printed = re.sub(r"\{[a-z]+:([a-z]+)\}", lambda m: examples[m[1]], each["prints"])
    assert explained(f"noise\n{printed} and more") == each["says"].format(**{n: examples[k] for n, k in holes.items()})


@settings(max_examples=300)
@given(st.text(ALPHABET, max_size=300))
def test_free_text_never_gets_through(text: str) -> None:
    told = explained(text)
    assert (
        told == ""
        or re.fullmatch(r"of an? [A-Z][A-Za-z0-9]{0,48}(Error|Exception)", told)
        or told in {e["says"] for e in entries() if "{" not in e["says"]}
    )


def test_a_long_tail_is_read_quickly_and_from_its_end() -> None:
    assert explained("ValueError: x\n" * 100_000 + "--" * 100_000) == ""
    assert explained("-" * 100_000 + "\nValueError: x") == "of a ValueError"


def test_a_hole_that_could_hold_a_sentence_cant_be_written_down() -> None:
    with pytest.raises(ValueError, match="anything is none of"):
        compiled("said {what:anything}")
