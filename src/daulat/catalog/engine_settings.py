"""Reads which options and variables of the engines are known as safe, from what their own parsers take."""

from __future__ import annotations

from functools import cache

from pydantic import BaseModel, ConfigDict

from daulat.api.packaged import load_folder

from . import engine_environment

_COMMON = "common"


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    releases: tuple[str, ...]
    """The releases that were read."""
    unsafe: dict[str, str]
    """What of it no model may use, and why."""
    options: tuple[str, ...]
    variables: tuple[str, ...]


@cache
def _read() -> dict[str, _Settings]:
    found = load_folder(__package__, "engines/settings")
    return {file.removesuffix(".yaml"): _Settings.model_validate(data) for file, data in found}


@cache
def engines() -> tuple[str, ...]:
    """Return the engines whose parsers are public, by name."""
    return tuple(sorted(_read().keys() - {_COMMON}))


@cache
def safe(engine: str) -> frozenset[str]:
    """Return the options and variables of an engine that are known as safe, or safe by their value, which other controls judge.

    Raises KeyError for an engine without a public parser.
    """
    own, common = _read()[engine], _read()[_COMMON]
    judged = {v.name for v in engine_environment.variables()}
    return frozenset({*own.options, *own.variables, *common.variables} - own.unsafe.keys() | judged)
