"""The shipped engines are those that a model may name, and each of them is checked and documented."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from daulat.api.accelerator import EngineName
from daulat.api.model import CustomEngine, Engine
from daulat.catalog import accelerators, engines
from dev.pages import page

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted(engines.shipped())


def test_a_model_may_name_the_shipped_engines_and_custom_and_no_others() -> None:
    assert {*get_args(EngineName)} == {*SHIPPED, "custom"}


def test_an_engine_that_isnt_shipped_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        engines.engine("../accelerators/nvidia-h20")


@pytest.mark.parametrize(("name", "spans"), [("vllm", True), ("sglang", True), ("mindie", False), ("llama.cpp", False)])
def test_an_engine_spans_nodes_where_its_data_says_how(name: str, spans: bool) -> None:
    assert engines.engine(name).spans_nodes is spans


@pytest.mark.parametrize(("arguments", "spans"), [((), False), (("--join={leader}",), True)])
def test_a_custom_engine_spans_nodes_where_the_model_says_how(arguments: tuple[str, ...], spans: bool) -> None:
    asked = Engine(name="custom", custom=CustomEngine(group_args=arguments))
    assert engines.engine_of(asked).spans_nodes is spans


@pytest.mark.parametrize("name", SHIPPED)
def test_some_shipped_profile_runs_every_shipped_engine(name: str) -> None:
    assert any(profile.engine(name) is not None for profile in accelerators.shipped().values())


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_rendered_for_an_engine_is_checked_by_its_own_parser_or_by_a_schema(name: str) -> None:
    parsers = yaml.safe_load((ROOT / "dev/engines/parsers.yaml").read_text())
    assert name in parsers or (ROOT / f"tests/schemas/{name}.json").is_file()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_engine_has_a_golden_rendering(name: str) -> None:
    assert list((ROOT / "tests/unit/workload/golden").glob(f"*-{name}.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_engine_has_its_page_and_its_column(name: str) -> None:
    heads = next(line for line in (ROOT / page("engines")).read_text().splitlines() if line.startswith("|"))
    assert f"[`{name}`](../how-to/{name}.md)" in heads
    assert (ROOT / page(name)).is_file()


def test_the_data_of_custom_engines_is_kept_for_a_limited_number_of_them() -> None:
    for port in range(2000, 2000 + engines.CUSTOM_KEPT + 10):
        engines.engine_of(Engine(name="custom", custom=CustomEngine(port=port)))
    assert engines._custom.cache_info().currsize == engines.CUSTOM_KEPT
