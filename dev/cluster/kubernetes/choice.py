"""What a cluster is to be: a version, what of it is switched on, and which components run. Whether a running one is the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dev.cluster import state
from dev.cluster.components import API_ONLY, CONTROLLERS, ORDER
from dev.cluster.errors import ClusterError
from dev.cluster.kubernetes import versions
from dev.cluster.kubernetes.versions import Version


@dataclass(frozen=True)
class Choice:
    """What was chosen for an embedded cluster before it is brought up."""

    version: Version
    explicit: bool
    """Whether a running cluster must be of this version, which isn't just the default."""
    features: tuple[str, ...]
    admission_plugins: tuple[str, ...]
    components: tuple[str, ...]

    @property
    def controllers(self) -> bool:
        """Whether the controller manager, the scheduler and KWOK run."""
        return CONTROLLERS in self.components

    def apiserver_arguments(self) -> list[str]:
        """Return the API server's arguments for what is switched on."""
        plugins = ",".join(self.admission_plugins)
        switched = self.version.apiserver_arguments(self.features)
        return [*switched, *([f"--enable-admission-plugins={plugins}"] if plugins else [])]

    def gates(self) -> list[str]:
        """Return the other components' arguments for what is switched on."""
        return self.version.gates(self.features)

    def check(self, *, nodes: bool, real_nodes: bool) -> None:
        """Refuse nodes or add-ons (`nodes`) that this cluster can't have."""
        if real_nodes and self.version.minor != versions.NEWEST:
            raise ClusterError(f"real nodes are of Kubernetes {versions.NEWEST}, and no API server may be older.")
        if nodes and not self.controllers:
            raise ClusterError("nodes and add-ons need the controllers: bring the cluster up with them.")

    def check_same(self, name: str, record: state.Record) -> None:
        """Refuse a running cluster that isn't what was chosen."""
        runs = record.kubernetes or versions.NEWEST
        if self.explicit and self.version.minor != runs:
            raise ClusterError(f"cluster {name} runs Kubernetes {runs}: take it down first.")
        if self.controllers and CONTROLLERS not in record.components:
            raise ClusterError(f"cluster {name} has no controllers: take it down first.")


def choose(minor: str, features: Sequence[str], admission_plugins: Sequence[str], *, api_only: bool) -> Choice:
    """Return the choice. ClusterError for a version or a feature that isn't there; `minor` may be empty."""
    version = versions.find(minor)
    version.gates(features)
    components = API_ONLY if api_only else ORDER
    return Choice(version, bool(minor), tuple(features), tuple(admission_plugins), components)
