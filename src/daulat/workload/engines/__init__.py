"""The engines as data: how each is started, probed, and kept from talking to others."""

from __future__ import annotations

from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from daulat.api.packaged import load
from daulat.catalog import engine_environment


class EngineData(BaseModel):
    """One engine. Texts may hold {weights}, {name}, {cache}, and what their field says."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    port: int
    health_path: str
    startup_seconds: int
    args: tuple[str, ...]
    parallel_args: tuple[str, ...]
    """What divides layers between {devices}."""
    stage_args: tuple[str, ...]
    """What makes {stages} of layers follow each other."""
    context_args: tuple[str, ...]
    """What keeps sequences within {context} tokens."""
    concurrency_args: tuple[str, ...]
    """What keeps to {concurrency} sequences at a time."""
    env: dict[str, str]
    """What keeps it from talking to others; nothing may undo it."""
    forbidden_env: tuple[str, ...] = ()
    """Variables that would switch a hub, a report or a debugging interface on."""
    cache_env: dict[str, str]


@cache
def engine(name: str) -> EngineData:
    """Return the engine of that name; KeyError where there is none."""
    file = resources.files(__package__) / f"{name}.yaml"
    if not file.is_file():
        raise KeyError(name)
    data = EngineData.model_validate(load(file.read_text()))
    env = {**engine_environment.offline(), **data.env}
    return data.model_copy(update={"env": env, "forbidden_env": engine_environment.forbidden()})
