"""Reads the domains of labels and annotations by which other projects act on pods and Services."""

from __future__ import annotations

from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict

from daulat.api.packaged import load


class _Domains(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: tuple[str, ...]
    meshes: tuple[str, ...]
    injectors: tuple[str, ...]
    platforms: tuple[str, ...]
    schedulers: tuple[str, ...]
    owners: tuple[str, ...]
    runtimes: tuple[str, ...]
    pods: tuple[str, ...]
    """Labels, and no domains."""


@cache
def _found() -> _Domains:
    return _Domains.model_validate(load(resources.files(__package__).joinpath("key_domains.yaml").read_text("utf-8")))


@cache
def acted_on() -> tuple[str, ...]:
    """Return the domains in order. Each stands for those below it."""
    return tuple(sorted({d for part in _found().model_dump(exclude={"pods"}).values() for d in part}))


def of_controllers() -> tuple[str, ...]:
    """Return the labels by which controllers of other projects find their own pods."""
    return _found().pods
