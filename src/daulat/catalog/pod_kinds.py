"""Reads the shipped data about kinds that make pods of something else than a PodTemplateSpec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from daulat.api.packaged import load

from .sources import Grade


class PodShape(BaseModel):
    """Pods, or other objects, that a kind makes: where what they are made of stands, and a template with references to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: tuple[str, ...] = Field(min_length=1)
    kind: Literal["Pod", "Service", "PersistentVolumeClaim", "Ingress"] = "Pod"
    """What is made."""
    when: str = ""
    """A reference to what must be true, or a text, for it to be made."""
    overlay: bool = False
    """Whether no container is expected: it adds to a pod whose containers stand elsewhere."""
    patches: tuple[str, ...] = ()
    """References to texts that are merged over the pod's spec."""
    unread: tuple[str, ...] = ()
    """References to fields that change or make pods and aren't read."""
    metadata: dict[str, Any] = {}
    spec: dict[str, Any] = Field(min_length=1)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str
    kinds: dict[str, str | list[str]]
    source: str = Field(pattern="^https://")
    grade: Grade = "primary text"
    pods: tuple[PodShape, ...] = Field(min_length=1)


@dataclass(frozen=True)
class PodKind:
    """One kind: the paths of its roots, and the pods of each."""

    roots: tuple[str, ...]
    shapes: tuple[PodShape, ...]


@cache
def pod_kinds() -> Mapping[tuple[str, str], tuple[PodKind, ...]]:
    """Return what is known of each kind, by API group and kind."""
    found: dict[tuple[str, str], tuple[PodKind, ...]] = {}
    for raw in load((resources.files(__package__) / "pod_kinds.yaml").read_text(encoding="utf-8")):
        entry = _Entry.model_validate(raw)
        for kind, roots in entry.kinds.items():
            one = PodKind((roots,) if isinstance(roots, str) else tuple(roots), entry.pods)
            found[entry.group, kind] = (*found.get((entry.group, kind), ()), one)
    return MappingProxyType(found)
