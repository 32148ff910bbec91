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


@cache
def acted_on() -> tuple[str, ...]:
    """Return the domains in order. Each stands for those below it."""
    found = _Domains.model_validate(load(resources.files(__package__).joinpath("key_domains.yaml").read_text("utf-8")))
    return tuple(sorted({d for part in found.model_dump().values() for d in part}))
