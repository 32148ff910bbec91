"""The engines as data: how each is started, probed, and kept from talking to others."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from daulat.api.autoscaling import CustomMetrics, EngineMetric
from daulat.api.model import CustomEngine, Engine
from daulat.api.packaged import load
from daulat.catalog import engine_environment


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Configuration(_Data):
    """A JSON configuration that the engine reads from an environment variable, by its command."""

    variable: str
    body: dict[str, Any]
    """May hold {weights} and the like. A text that is {devices}, {context} or {concurrency} alone becomes a number, and a list of
    {devices...} the devices' numbers."""
    defaults: dict[str, int] = {}
    """What {concurrency} is where the model doesn't say."""


class EngineData(_Data):
    """One engine. Texts may hold {weights}, {name}, {port}, {cache}, and what their field says."""

    port: int
    health_path: str
    health_port: int | None = None
    """Where health is asked for, if not on the API's port. Nobody but the kubelet is let to it."""
    metrics_path: str = "/metrics"
    metrics_port: int | None = None
    """Where the metrics are, if not on the API's port."""
    start_probe: tuple[str, ...] = ()
    """A command in the container that asks for health and, before it says yes, writes {served} into the termination message. Where
    there is one, kubelets keep the log's end of an engine that never served, and of no other: then it may hold prompts."""
    metrics: dict[EngineMetric, str] = {}
    """What it calls what a model can be scaled by; what it doesn't tell is missing."""
    metrics_need_key: bool = False
    """Whether it asks for the clients' key before it tells its metrics."""
    startup_seconds: int
    command: tuple[str, ...] = ()
    """The command, where neither the image nor the profile has one."""
    args: tuple[str, ...]
    parallel_args: tuple[str, ...] = ()
    """What divides layers between {devices}."""
    stage_args: tuple[str, ...] = ()
    """What makes {stages} of layers follow each other."""
    group_args: tuple[str, ...] = ()
    """What divides a replica between {nodes} nodes that meet at {leader}; $(GROUP_RANK) is a node's number. Empty: it can't."""
    worker_args: tuple[str, ...] = ()
    """What the nodes beside the leader are told, which answer no requests."""
    address_env: str = ""
    """The variable that says by which address the other nodes reach this one."""
    context_args: tuple[str, ...] = ()
    """What keeps sequences within {context} tokens; {tokens} is the room for all of them."""
    concurrency_args: tuple[str, ...] = ()
    """What keeps to {concurrency} sequences at a time."""
    configuration: Configuration | None = None
    api_key_env: str = ""
    """The variable that holds the key which clients must send; empty where the engine can't ask for one."""
    one_file: bool = False
    """Whether it loads one file, which the model must name."""
    env: dict[str, str] = {}
    """What keeps it from talking to others; nothing may undo it."""
    forbidden_env: tuple[str, ...] = ()
    """Variables that would switch a hub, a report or a debugging interface on."""
    cache_env: dict[str, str] = {}


@cache
def engine(name: str) -> EngineData:
    """Return the engine of that name; KeyError where there is none."""
    file = resources.files(__package__) / f"{name}.yaml"
    if not file.is_file():
        raise KeyError(name)
    return _kept_offline(EngineData.model_validate(load(file.read_text())))


def engine_of(asked: Engine) -> EngineData:
    """Return what the model's engine is, a custom one included."""
    return engine(asked.name) if asked.custom is None else _custom(asked.custom)


@cache
def _custom(own: CustomEngine) -> EngineData:
    data = EngineData(
        port=own.port,
        health_path=own.health_path,
        metrics_path=own.metrics_path,
        metrics=(own.metrics or CustomMetrics()).named(),
        startup_seconds=own.startup_seconds,
        command=own.command,
        args=own.args,
        group_args=own.group_args,
        worker_args=own.worker_args,
        api_key_env=own.api_key_env or "",
        cache_env={"HOME": "{cache}", "XDG_CACHE_HOME": "{cache}", "HF_HOME": "{cache}/huggingface", "USER": "daulat"},
    )
    return _kept_offline(data)


def _kept_offline(data: EngineData) -> EngineData:
    env = {**engine_environment.offline(), **data.env}
    return data.model_copy(update={"env": env, "forbidden_env": engine_environment.forbidden()})
