"""The engines as data: how each is started, probed, and kept from talking to others."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class EngineData(BaseModel):
    """One engine. Texts may hold {weights}, {name}, {devices} and {cache}."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    port: int
    health_path: str
    startup_seconds: int
    args: tuple[str, ...]
    parallel_args: tuple[str, ...]
    env: dict[str, str]
    forbidden_env: tuple[str, ...]
    cache_env: dict[str, str]


@cache
def engine(name: str) -> EngineData:
    """Return the engine of that name; KeyError where there is none."""
    file = resources.files(__package__) / f"{name}.yaml"
    if not file.is_file():
        raise KeyError(name)
    return EngineData.model_validate(yaml.safe_load(file.read_text()))
