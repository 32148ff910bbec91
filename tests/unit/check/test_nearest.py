"""A slip of the pen in an engine's setting is answered with the setting that was meant."""

from __future__ import annotations

from typing import Any

import pytest

from daulat.controls import library

from .scene import Raw, judged, namespace, policy


def model(engine: dict[str, Any], accelerator: dict[str, Any]) -> Raw:
    body: Raw = library.base()["objects"]["models"]
    accelerators = [{"profile": "huawei-ascend-910b", "count": 1, **accelerator}]
    spec = {**body["spec"], "engine": engine, "accelerators": accelerators}
    return {**body, "metadata": {"name": "m", "namespace": "treasury"}, "spec": spec}


@pytest.mark.parametrize(
    ("engine", "accelerator", "note"),
    [
        (
            {"name": "vllm", "args": ["--max_model_length=1"]},
            {},
            "spec.engine.args: --max_model_length: the nearest that vllm has is --max-model-len",
        ),
        (
            {"name": "vllm"},
            {"env": {"VLLM_LOGING_LEVEL": "INFO"}},
            'spec.accelerators["huawei-ascend-910b"].env["VLLM_LOGING_LEVEL"]: VLLM_LOGING_LEVEL: '
            "the nearest that vllm has is VLLM_LOGGING_LEVEL",
        ),
        ({"name": "vllm", "args": ["--zzzz"]}, {}, None),
        ({"name": "vllm", "args": ["--max-model-len=1"]}, {}, None),
    ],
)
def test_the_nearest_known_setting_is_named(
    engine: dict[str, Any], accelerator: dict[str, Any], note: str | None
) -> None:
    (found,) = judged(model(engine, accelerator), by=(policy(), namespace()))
    assert [n for n in found.notes if "nearest" in n] == ([note] if note else [])
