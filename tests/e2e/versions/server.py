"""An API server of one version, and what tests ask of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dev.cluster import ClusterError, EmbeddedCluster
from dev.cluster.kubectl import Kubectl
from dev.cluster.kubernetes import versions
from dev.cluster.kubernetes.versions import Version
from dev.deployment import kubectl
from tests.e2e.world import Manifest, namespace_manifest, unique

PLUGIN = "PodNodeSelector"


def wanted() -> tuple[str, ...]:
    """Return the versions to test: all, unless one is named."""
    return (versions.find().minor,) if os.environ.get(versions.VARIABLE) else versions.NAMES


@dataclass(frozen=True)
class Server:
    """A running API server, without controllers."""

    cluster: EmbeddedCluster
    version: Version
    admin: Kubectl

    def serves(self, what: str) -> bool:
        """Say whether a group version, or a resource of one, is served."""
        words = what.split("/")
        try:
            found: Manifest = json.loads(self.admin.run("get", "--raw", f"/apis/{'/'.join(words[:2])}"))
        except ClusterError as error:
            if "could not find the requested resource" in str(error):
                return False
            raise
        return len(words) == 2 or words[2] in {resource["name"] for resource in found["resources"]}

    def metric(self, start: str) -> list[float]:
        """Return the values of the series that begin with a text."""
        lines = self.admin.run("get", "--raw", "/metrics").splitlines()
        return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(start)]

    def gate(self, name: str) -> bool:
        """Say whether a feature gate is on, by what the API server reports."""
        (value,) = self.metric(f'kubernetes_feature_enabled{{name="{name}",')
        return value == 1

    def namespace(self, annotations: Mapping[str, str] | None = None) -> str:
        """Make a namespace where pods can be made, which needs the ServiceAccount that no controller makes here."""
        name = unique("ns")
        namespace = namespace_manifest(name)
        namespace["metadata"]["annotations"] = dict(annotations or {})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        self.admin.apply([namespace])
        self.admin.apply([account])
        return name

    def dry_run(self, manifest: Manifest, who: Kubectl | None = None) -> Manifest:
        """Return an object as it would be stored. ClusterError where it is refused."""
        options = ("create", "--dry-run=server", "-o", "json", "-f", "-")
        made: dict[str, Any] = json.loads((who or self.admin).run(*options, stdin=json.dumps(manifest)))
        return made

    def as_user(self, user: str, groups: Sequence[str] = ()) -> Kubectl:
        """Return kubectl as an ordinary user."""
        return kubectl(self.cluster, user, tuple(groups))


@contextmanager
def serving(minor: str, *, everything: bool = False) -> Iterator[Server]:
    """An API server for as long as the block lasts; with ``everything`` on that its version can switch on."""
    version = versions.find(minor)
    features, plugins = (tuple(version.features), (PLUGIN,)) if everything else ((), ())
    name = unique("api")
    cluster = EmbeddedCluster(
        name, kubernetes=minor, features=features, admission_plugins=plugins, api_only=True, say=lambda line: None
    )
    cluster.up()
    try:
        yield Server(cluster, version, kubectl(cluster))
    finally:
        cluster.down()
