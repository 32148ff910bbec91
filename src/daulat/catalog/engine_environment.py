"""Reads the shipped data about the environment of inference engines: what keeps them silent and offline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from daulat.api.packaged import load

Kind = Literal["telemetry", "hub", "endpoint", "remoteCode", "debugging", "codePath"]
_SECTIONS: Mapping[str, Kind] = {
    "telemetry": "telemetry",
    "hubs": "hub",
    "remoteCode": "remoteCode",
    "debugging": "debugging",
}


@dataclass(frozen=True)
class EngineVariable:
    """One environment variable of an inference engine."""

    name: str
    kind: Kind
    safe: tuple[str, ...] = ()
    """The values that are fine; none is where it's empty."""
    set_to: str | None = None
    """What the operator sets it to, or None where it leaves it out."""
    required: bool = False
    """Whether an engine that must be offline has to set it."""


@cache
def variables() -> tuple[EngineVariable, ...]:
    """Return the known variables by name."""
    data = load((resources.files(__package__) / "engine_environment.yaml").read_text())
    found = [_variable(n, kind, raw) for section, kind in _SECTIONS.items() for n, raw in data[section].items()]
    found += [EngineVariable(name, "endpoint") for name in data["endpoints"]]
    found += [EngineVariable(name, "codePath") for name in data["codePaths"]]
    return tuple(sorted(found, key=lambda v: v.name))


def offline() -> dict[str, str]:
    """Return what the operator sets, by name."""
    return {v.name: v.set_to for v in variables() if v.set_to is not None}


def forbidden() -> tuple[str, ...]:
    """Return the names that the operator never sets, and that nobody may set beside it."""
    return tuple(v.name for v in variables() if v.set_to is None)


def _variable(name: str, kind: Kind, raw: Mapping[str, Any]) -> EngineVariable:
    return EngineVariable(name, kind, tuple(raw["safe"]), raw.get("set"), bool(raw.get("required", False)))
