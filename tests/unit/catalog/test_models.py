"""The catalogue of models: every fact has a source, and figures are of the right size."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from daulat.catalog.models import ModelFacts, models, named

KNOWN = sorted(models())


@pytest.mark.parametrize("name", KNOWN)
def test_figures_are_of_the_right_size(name: str) -> None:
    facts = models()[name]
    assert 1e8 < facts.parameters < 1e13
    assert 0 <= facts.expert_parameters < facts.parameters
    assert 10 < facts.layers.total < 200
    assert facts.attention.heads in range(8, 257)
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
        assert models()[name].parameters / 1e9 == pytest.approx(told[0], rel=0.09 if told[0] > 2 else 0.25)


def test_a_model_is_known_by_its_developers_name() -> None:
    assert named("deepseek-ai/DeepSeek-R1") is models()["deepseek-r1"]
    assert named("DEEPSEEK-AI/deepseek-r1") is models()["deepseek-r1"]
    assert named("nobody/nothing") is None


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
        *("mistral-", "mixtral-", "glm-", "kimi-", "malaysian-", "llama-sea-lion-", "qwen-sea-lion-"),
    }
    assert {f for f in families if not any(name.startswith(f) for name in models())} == set()
    distilled = {n.removeprefix("deepseek-r1-distill-") for n in models() if n.startswith("deepseek-r1-distill-")}
    assert distilled == {"qwen-1.5b", "qwen-7b", "qwen-14b", "qwen-32b", "llama-8b", "llama-70b"}


def test_licences_with_geographic_limits_say_where() -> None:
    """Llama 4's licence is the one among these that leaves a region out for what the model is."""
    for name, facts in models().items():
        if name.startswith(("llama-4-", "llama-3.2-")):
            assert "European Union" in facts.license.limits
