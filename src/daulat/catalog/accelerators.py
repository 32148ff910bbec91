"""Reads the shipped data: accelerator profiles, and the ways to devices that are known beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from daulat.api.accelerator import AcceleratorProfileSpec
from daulat.api.packaged import load, load_folder

from .sources import Source


@dataclass(frozen=True)
class KnownAnnotations:
    """Pod annotations by which something chooses devices."""

    domains: tuple[str, ...]
    """What stands before the slash; one with a dot before it stands for all domains below it."""
    beginnings: tuple[str, ...]
    """How keys without a slash begin."""
    requests: tuple[str, ...]
    """Keys of these domains and beginnings that choose no device."""
    request_beginnings: tuple[str, ...]
    """How more such keys begin."""


@dataclass(frozen=True)
class KnownAccess:
    """What containers must not use, and which capabilities they may, over all known vendors."""

    environment: tuple[str, ...]
    annotations: KnownAnnotations
    capabilities: tuple[str, ...]
    chosen_by_scheduler: Mapping[str, str]
    """The variable in which a container may take over what a scheduler wrote in an annotation, by the annotation."""


def manifests() -> list[dict[str, Any]]:
    """Return the shipped AcceleratorProfiles as manifests, by name."""
    return [{key: value for key, value in entry.items() if key != "sources"} for entry in _entries()]


@cache
def sources() -> dict[str, tuple[Source, ...]]:
    """Return where the facts of each shipped profile come from, by its name. Facts are the fields of its spec."""
    return {e["metadata"]["name"]: tuple(Source.model_validate(s) for s in e["sources"]) for e in _entries()}


def _entries() -> list[dict[str, Any]]:
    return [entry for _, entry in load_folder(__package__, "accelerators")]


@cache
def shipped() -> dict[str, AcceleratorProfileSpec]:
    """Return the shipped profiles by name."""
    return {m["metadata"]["name"]: AcceleratorProfileSpec.model_validate(m["spec"]) for m in manifests()}


@cache
def known_access() -> KnownAccess:
    """Return the ways to devices that are known beside the profiles."""
    data = load((resources.files(__package__) / "device_access.yaml").read_text())
    chosen = {a: variable for variable, annotations in data["chosenByScheduler"].items() for a in annotations}
    found = data["annotations"]
    annotations = KnownAnnotations(
        *(tuple(found[part]) for part in ("domains", "beginnings", "requests", "requestBeginnings"))
    )
    return KnownAccess(tuple(data["environment"]), annotations, tuple(data["capabilities"]), MappingProxyType(chosen))
