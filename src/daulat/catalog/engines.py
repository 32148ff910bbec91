"""Reads the shipped data about inference engines: how each is started, probed, scaled, and kept offline.

What is made of it is decided elsewhere: how many nodes a replica may have in ``placement``, the manifests in ``workload``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from daulat.api.autoscaling import CustomMetrics, EngineMetric
from daulat.api.model import CustomEngine, Engine
from daulat.api.packaged import load_folder

from . import engine_environment

CUSTOM_KEPT = 256
"""Custom engines whose data is kept: more than most clusters have, and a model's every edit of one adds another."""


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
    """The port of the health endpoint where it isn't the API's. Only the kubelet reaches it."""
    metrics_path: str = "/metrics"
    metrics_port: int | None = None
    """The port of the metrics endpoint where it isn't the API's."""
    start_probe: tuple[str, ...] = ()
    """The command of an exec startup probe, which writes {served} into the termination message before it first succeeds. So the end
    of the log is kept only of an engine that never served: the log of one that did may hold prompts."""
    metrics: dict[EngineMetric, str] = {}
    """The names of the metrics that a model can be scaled by; those that the engine doesn't have are missing."""
    metrics_need_key: bool = False
    """Whether the metrics endpoint requires the clients' API key."""
    startup_seconds: int
    command: tuple[str, ...] = ()
    """The command, where neither the image nor the profile has one."""
    args: tuple[str, ...]
    parallel_args: tuple[str, ...] = ()
    """Arguments that divide each layer between {devices}."""
    stage_args: tuple[str, ...] = ()
    """Arguments that divide the layers into {stages} of a pipeline."""
    group_args: tuple[str, ...] = ()
    """Arguments that divide a replica between {nodes} nodes that meet at {leader}; $(GROUP_RANK) is a node's number. Empty where
    the engine runs a replica on one node."""
    worker_args: tuple[str, ...] = ()
    """Further arguments of the worker nodes, which serve no requests."""
    address_env: str = ""
    """The variable that holds the address by which the other nodes reach this one."""
    context_args: tuple[str, ...] = ()
    """Arguments that limit a sequence to {context} tokens; {tokens} is the size of the cache for all sequences."""
    concurrency_args: tuple[str, ...] = ()
    """Arguments that limit the sequences at a time to {concurrency}."""
    configuration: Configuration | None = None
    api_key_env: str = ""
    """The variable that holds the key which clients must send; empty where the engine can't require one."""
    one_file: bool = False
    """Whether it loads one file, which the model must name."""
    env: dict[str, str] = {}
    """Variables that keep it offline; a model's author can't override them."""
    forbidden_env: tuple[str, ...] = ()
    """Variables that would switch a hub, a report or a debugging interface on."""
    cache_env: dict[str, str] = {}
    """Variables that put what it writes at run time under {cache}: the root file system is read-only."""

    @property
    def spans_nodes(self) -> bool:
        """Whether the engine can divide a replica between nodes."""
        return bool(self.group_args)

    @property
    def divides_heads(self) -> bool:
        """Whether the devices of a replica share each layer, as far as is known: then what they share must be divisible."""
        return bool(self.parallel_args or self.configuration)

    @property
    def has_stages(self) -> bool:
        """Whether layers may be divided into pipeline stages. An engine whose options for division aren't known may do so."""
        return bool(self.stage_args) or not self.divides_heads


@cache
def shipped() -> Mapping[str, EngineData]:
    """Return the shipped engines by name: all that a model may name, but for custom."""
    found = load_folder(__package__, "engines")
    return {file.removesuffix(".yaml"): _kept_offline(EngineData.model_validate(data)) for file, data in found}


def engine(name: str) -> EngineData:
    """Return the shipped engine of that name. Raises KeyError where there is none."""
    return shipped()[name]


def engine_of(asked: Engine) -> EngineData:
    """Return the data of a model's engine, a custom one included."""
    return engine(asked.name) if asked.custom is None else _custom(asked.custom)


@lru_cache(maxsize=CUSTOM_KEPT)
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
