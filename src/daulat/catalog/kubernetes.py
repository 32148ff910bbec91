"""What a Kubernetes cluster offers to Daulat: a fact that the compiler, the commands and the operator take as an argument.

Versions of Kubernetes are compared in this module alone; what differs between them is data (``kubernetes.yaml``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from daulat.api.frozen import FrozenDict
from daulat.api.packaged import load

_VERSION = re.compile(r"^v?(\d+)\.(\d+)(?=$|[.+-])")
_ADMISSION, _PINS = "admissionregistration.k8s.io", ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")


class CapabilityError(ValueError):
    """The version isn't one of Kubernetes, or hasn't what is asked of it. The text says which."""


@dataclass(frozen=True, order=True)
class Minor:
    """A minor version of Kubernetes, such as 1.32."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @classmethod
    def of(cls, text: str) -> Minor:
        """Return the minor version of a text such as 1.32, v1.32.13 or v1.31.1-gke.100. Raises CapabilityError."""
        found = _VERSION.match(text)
        if found is None:
            raise CapabilityError(f"{text!r} is not a Kubernetes version such as {NEWEST}")
        return cls(int(found[1]), int(found[2]))


class Pin(StrEnum):
    """What adds a policy's nodeSelector to the governed pods that lack it, in the order of preference."""

    MUTATING_POLICY = "MutatingAdmissionPolicy"
    """A mutating admission policy that the policy is compiled to."""
    OPENSHIFT = "OpenShift"
    """OpenShift's admission plugin, by an annotation of the namespace."""
    POD_NODE_SELECTOR = "PodNodeSelector"
    """The admission plugin of that name, off by default, by another annotation of the namespace."""
    REFUSE = "Refuse"
    """Nothing does: such pods are refused, and the message has the line to add."""

    @property
    def annotation(self) -> str:
        """The annotation of namespaces that holds the nodeSelector; empty where none does."""
        return _ANNOTATIONS.get(self, "")

    def __str__(self) -> str:
        return self.value


_ANNOTATIONS = {
    Pin.OPENSHIFT: "openshift.io/node-selector",
    Pin.POD_NODE_SELECTOR: "scheduler.alpha.kubernetes.io/node-selector",
}
PIN_ANNOTATIONS = frozenset(_ANNOTATIONS.values())
"""Annotations of namespaces by which an admission plugin adds to the nodeSelector of pods."""

_Version = Annotated[Minor | None, BeforeValidator(lambda value: Minor.of(value) if isinstance(value, str) else value)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    since: _Version = None
    """The first minor version that has it by default."""
    opt_in: _Version = Field(default=None, alias="optIn")
    """The first that has it where somebody switches it on."""

    def at(self, version: Minor) -> Literal["yes", "opt-in", "no"]:
        """Return whether this version has it by default, has it where it is switched on, or hasn't it."""
        if self.since is not None and version >= self.since:
            return "yes"
        return "opt-in" if self.opt_in is not None and version >= self.opt_in else "no"


class ServedVersion(_Data):
    """A version of an API group that some versions of Kubernetes serve."""

    version: str


class Served(BaseModel):
    """Resources of one group that come and go together, with the API versions that they can be had in, the best first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str
    resources: tuple[str, ...]
    versions: tuple[ServedVersion, ...]


class Feature(_Data):
    """Something that Daulat can do on some versions of Kubernetes."""

    feature: str
    title: str
    switch_on: str = Field(default="", alias="switchOn")
    """How to switch it on where it is off by default."""
    without: str
    """What holds in its place on a version that hasn't it."""


@cache
def _data() -> Any:
    return load((resources.files(__package__) / "kubernetes.yaml").read_text(encoding="utf-8"))


OLDEST, NEWEST = Minor.of(_data()["oldest"]), Minor.of(_data()["newest"])
"""The oldest and the newest version that Daulat is tested on."""


@cache
def features() -> tuple[Feature, ...]:
    """Return everything that not every version has, in the order of the table in the docs."""
    return tuple(Feature.model_validate(each) for each in _data()["features"])


def feature(name: str) -> Feature:
    """Return one of them. KeyError where there is none of that name."""
    return _features()[name]


@cache
def served_kinds() -> tuple[Served, ...]:
    """Return the resources of Kubernetes' own that not every version serves in the same API version."""
    return tuple(Served.model_validate(each) for each in _data()["kinds"])


@dataclass(frozen=True)
class Capabilities:
    """What one cluster offers."""

    version: Minor
    """The API server's."""
    pin: Pin
    """What adds the nodeSelector to pods. PodNodeSelector may be off all the same: only a dry run shows that."""
    served: FrozenDict[str, str]
    """The API version of each resource that not every cluster serves in the same one (``served_kinds``), by plural name. What is
    missing here isn't served."""

    def has(self, feature: str) -> bool:
        """Say whether the cluster has a feature (``features``). What is off by default counts only where it shows."""
        if feature == "pin":
            return all(resource in self.served for resource in _PINS)
        if feature == "claims":
            return "resourceclaims" in self.served
        return _features()[feature].at(self.version) == "yes"

    @property
    def missing(self) -> tuple[Feature, ...]:
        """What this cluster hasn't."""
        return tuple(each for each in features() if not self.has(each.feature))


@cache
def _features() -> Mapping[str, Feature]:
    return {each.feature: each for each in features()}


def of_version(version: str = "", pin: Pin | None = None) -> Capabilities:
    """Return what a cluster of this version offers by default; the newest if left out. Raises CapabilityError.

    A pin that the version has only where it is switched on can be named. PodNodeSelector and OpenShift exist in every version.
    """
    minor = Minor.of(version) if version else NEWEST
    if minor < OLDEST:
        raise CapabilityError(f"Kubernetes {minor} is too old: Daulat supports {OLDEST} and later")
    policies = pin is Pin.MUTATING_POLICY

    def offered(each: ServedVersion, group: str) -> bool:
        state = each.at(minor)
        return state == "yes" or (state == "opt-in" and group == _ADMISSION and policies)

    served = _best(lambda kind, each: offered(each, kind.group))
    default = Pin.MUTATING_POLICY if _PINS[0] in served else Pin.REFUSE
    if policies and default is not Pin.MUTATING_POLICY:
        first = min(v.opt_in or v.since or NEWEST for k in served_kinds() if k.group == _ADMISSION for v in k.versions)
        raise CapabilityError(
            f"Kubernetes {minor} has no MutatingAdmissionPolicy: {first} is the first that can have it"
        )
    return Capabilities(minor, pin or default, served)


def observed(version: str, discovered: Mapping[tuple[str, str], Iterable[str]], pin: Pin | None = None) -> Capabilities:
    """Return what a cluster offers by its own account. Raises CapabilityError where the version can't be read.

    ``version`` is what ``/version`` says; ``discovered`` has the API versions of each resource by group and plural name, as
    discovery lists them. ``pin`` is one that somebody decided on.
    """
    served = _best(
        lambda kind, each: all(each.version in (*discovered.get((kind.group, r), ()),) for r in kind.resources)
    )
    if pin is None:
        openshift = any(group == "config.openshift.io" for group, _ in discovered)
        pin = Pin.OPENSHIFT if openshift else Pin.POD_NODE_SELECTOR
        pin = Pin.MUTATING_POLICY if _PINS[0] in served else pin
    return Capabilities(Minor.of(version), pin, served)


def _best(offered: Callable[[Served, ServedVersion], bool]) -> FrozenDict[str, str]:
    """Return the first offered version of each resource."""
    found: dict[str, str] = {}
    for kind in served_kinds():
        best = next((each.version for each in kind.versions if offered(kind, each)), None)
        if best is not None:
            found |= dict.fromkeys(kind.resources, best)
    return FrozenDict(found)


DEFAULT = of_version()
"""What the newest version offers by default."""
