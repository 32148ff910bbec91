"""Which versions of Kubernetes there are, how each is built, and with which arguments its components start.

versions.yaml holds every difference between them; the components' other arguments are the same on all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import BaseModel, ConfigDict

from dev.cluster import build
from dev.cluster.build import GIB, Binaries, Step, Suite
from dev.cluster.components import APISERVER, CONTROLLERS, SCHEDULER
from dev.cluster.errors import ClusterError
from dev.cluster.locking import Say

if TYPE_CHECKING:
    from daulat.catalog.kubernetes import Capabilities

FOLDER = Path(__file__).resolve().parent
FILE = FOLDER / "versions.yaml"
VARIABLE = "DAULAT_KUBERNETES"
"""The environment variable with the minor version of clusters for which none is given."""


class Feature(BaseModel):
    """What a version has, but doesn't switch on by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gates: tuple[str, ...]
    """Feature gates of every component."""
    serves: tuple[str, ...]
    """Group versions that the API server serves with it."""


class Version(BaseModel):
    """One minor version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minor: str
    """Such as `1.34`."""
    serves: tuple[str, ...]
    """Group versions, or resources of one, that this version serves by default and not all others do."""
    features: Mapping[str, Feature]

    def gates(self, features: Sequence[str]) -> list[str]:
        """Return the arguments of every component that switch features on. ClusterError for one that isn't there."""
        gates = [gate for name in features for gate in self._feature(name).gates]
        return [f"--feature-gates={','.join(f'{gate}=true' for gate in gates)}"] if gates else []

    def apiserver_arguments(self, features: Sequence[str]) -> list[str]:
        """Return the arguments of the API server that switch features on. ClusterError for one that isn't there."""
        served = [group_version for name in features for group_version in self._feature(name).serves]
        return [
            *self.gates(features),
            *([f"--runtime-config={','.join(f'{s}=true' for s in served)}"] if served else []),
        ]

    def _feature(self, name: str) -> Feature:
        if name not in self.features:
            has = f"there are {', '.join(self.features)}" if self.features else "there is none"
            raise ClusterError(f"Kubernetes {self.minor} has no feature {name} to switch on: {has}.")
        return self.features[name]


TABLE = {
    minor: Version.model_validate({"minor": minor, **entry})
    for minor, entry in yaml.safe_load(FILE.read_text()).items()
}
NAMES = tuple(TABLE)
"""Oldest first."""
OLDEST, NEWEST = NAMES[0], NAMES[-1]
FEATURES = tuple(dict.fromkeys(name for version in TABLE.values() for name in version.features))


def find(minor: str = "") -> Version:
    """Return a version; without a name, the one in DAULAT_KUBERNETES, or the newest. ClusterError for an unknown one."""
    wanted = minor or os.environ.get(VARIABLE, "") or NEWEST
    if wanted not in TABLE:
        raise ClusterError(f"there is no Kubernetes {wanted} here: there are {', '.join(NAMES)}.")
    return TABLE[wanted]


def offered(minor: str = "") -> Capabilities:
    """Return what a version offers by default; without a name, the one that ``find`` returns."""
    # Not above: the device plugin of dev.cluster.node runs without Daulat on its path.
    from daulat.catalog.kubernetes import of_version  # noqa: PLC0415

    return of_version(find(minor).minor)


def pinning_plugins(minor: str = "") -> tuple[str, ...]:
    """Return the admission plugins that pin pods where a version has no mutating policies for that."""
    return () if offered(minor).has("pin") else ("PodNodeSelector",)


def apiserver_suite(minor: str) -> Suite:
    """Return how the API server of a version is built, which is all that parity needs of it."""
    return _suite(minor, "the API server", "apiserver", (APISERVER,))


def controllers_suite(minor: str) -> Suite:
    """Return how the controller manager and the scheduler of a version are built."""
    return _suite(minor, "the controller manager and the scheduler", "controllers", (CONTROLLERS, SCHEDULER))


def _suite(minor: str, title: str, label: str, names: tuple[str, ...]) -> Suite:
    return Suite(
        f"{title} of Kubernetes {minor}",
        FOLDER / minor,
        names,
        (Step(tuple(f"k8s.io/kubernetes/cmd/{name}" for name in names)),),
        # Measured for the API server of 1.30: 419 s of processor time, 1.9 GiB of build cache, 110 MiB of binary.
        lasts="about 7 minutes of processor time",
        label=f"{minor}-{label}-",
        cold_bytes=4 * GIB,
    )


def ensure(minor: str, say: Say, *, controllers: bool) -> Binaries:
    """Return a control plane's programs, built first when they aren't there; without controllers, just the API server.

    etcd, kubectl and KWOK are the same for all versions: the API server speaks etcd's v3 API, which etcd keeps; kubectl and KWOK
    speak kinds that are v1 in all of them. One etcd also lets a cluster's data outlive an upgrade of Kubernetes alone.
    """
    shared = build.ensure(say)
    if minor == NEWEST:
        return shared
    suites = [apiserver_suite(minor), *([controllers_suite(minor)] if controllers else [])]
    places = [(suite, build.ensure(say, suite).directory) for suite in suites]
    own = {name: directory for suite, directory in places for name in suite.names}
    return Binaries(shared.directory, own)
