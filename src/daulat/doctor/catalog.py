"""Reads what the checks are: their ids, severities, reasons and remedies, and the weaknesses of old releases."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from daulat.api.packaged import load

from .finding import Severity
from .sources import SOURCES


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Right(_Data):
    """Verbs on one resource, with its subresource behind a slash."""

    verbs: tuple[str, ...]
    group: str = ""
    resource: str
    only_named: tuple[str, ...] = Field(default=(), alias="onlyNamed")
    """A role that is narrowed by resourceNames matters only where it names one of these; left out, the check's."""


class Check(_Data):
    """One check."""

    id: str = Field(pattern=r"^DOC-[0-9]{2}$")
    title: str
    severity: Severity
    why: str
    remedy: str
    needs: tuple[str, ...]
    """The sources that it reads."""
    where: Literal["everywhere", "governed", "operator"] = "everywhere"
    """Where its rights are looked for."""
    rights: tuple[Right, ...] = ()
    """The rights whose holders it names."""
    only_named: tuple[str, ...] = Field(default=(), alias="onlyNamed")
    """A role that is narrowed by resourceNames matters only where it names one of these."""


class Advisory(_Data):
    """A weakness that a release mends."""

    id: str
    component: Literal["api-server", "kubelet", "nvidia-container-toolkit"]
    fixed: tuple[str, ...]
    """The first release of each minor version in which it is mended, lowest first."""
    note: str
    source: str
    read: str
    """The day on which the source was read; empty where it wasn't."""
    grade: Literal["primary text", "secondary source", "not verified"]


@cache
def checks() -> dict[str, Check]:
    """Return every check by id."""
    found = [Check.model_validate(entry) for entry in _read("checks.yaml")]
    unknown = {need for check in found for need in check.needs} - SOURCES.keys()
    if unknown or len({c.id for c in found}) != len(found):
        raise ValueError(f"checks.yaml: unknown sources {sorted(unknown)}, or an id twice")
    return {check.id: check for check in found}


@cache
def advisories() -> tuple[Advisory, ...]:
    """Return the known weaknesses of old releases."""
    return tuple(Advisory.model_validate(entry) for entry in _read("advisories.yaml"))


def _read(name: str) -> list[object]:
    entries: list[object] = load((resources.files(__package__) / name).read_text(encoding="utf-8"))
    return entries
