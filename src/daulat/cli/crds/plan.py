"""Decides what becomes of each CustomResourceDefinition: an upgrade adds, and what a newer release has added stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from daulat.api import crd
from daulat.api.counted import few
from daulat.api.kinds import KINDS, Manifest
from daulat.api.names import GROUP, VERSION
from daulat.facts.definition import parse_definition

_FIELDS = 5
"""Fields that a reason names."""
Deed = Literal["create", "upgrade", "keep", "conflict"]


@dataclass(frozen=True)
class Step:
    """What to do about one definition, and why."""

    name: str
    deed: Deed
    reason: str
    manifest: Manifest

    def __str__(self) -> str:
        """Return a line for the user."""
        return f"{self.deed} {self.name}{f': {self.reason}' if self.reason else ''}"


def plan(live: Mapping[str, Mapping[str, Any]]) -> list[Step]:
    """Return a step for each kind, by what the cluster has of it; ``live`` is by name."""
    return [_step(kind.kind, f"{kind.plural}.{GROUP}", crd.manifest(kind), live) for kind in KINDS]


def _step(kind: str, name: str, manifest: Manifest, live: Mapping[str, Mapping[str, Any]]) -> Step:
    found = live.get(name)
    if found is None:
        return Step(name, "create", "", manifest)
    difference = parse_definition(kind, found)
    others = [f"version {v['name']}" for v in found["spec"]["versions"] if v["name"] != VERSION]
    newer = [*others, *sorted(difference.unknown)]
    if not newer:
        missing = sorted(difference.missing)
        return Step(name, "upgrade", f"adds {few(missing, _FIELDS)}" if missing else "", manifest)
    if difference.missing:
        reason = f"it has {few(newer, _FIELDS)}, which this release hasn't, and lacks {few(sorted(difference.missing), _FIELDS)}"
        return Step(name, "conflict", reason, manifest)
    return Step(name, "keep", f"it is of a newer release, with {few(newer, _FIELDS)}", manifest)
