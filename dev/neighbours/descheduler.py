"""The descheduler, which evicts pods by a policy of its own so that the scheduler places them anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import Cluster
from dev.cluster.pki import Authority
from dev.cluster.ports import HOST, choose
from dev.neighbours import build
from dev.neighbours.controller import Controller, Manifest


class Descheduler(Controller):
    """The descheduler with one profile."""

    neighbour = build.DESCHEDULER
    namespace = "kube-system"
    account = "descheduler-sa"
    ROUND = "Number of evictions/requests"
    """What it logs at the end of each round."""

    def __init__(
        self, cluster: Cluster, directory: Path, plugins: Mapping[str, Sequence[str]], configuration: Mapping[str, Any]
    ) -> None:
        """Take the plugins by extension point, such as ``deschedule``, and the arguments of plugins by their name."""
        super().__init__(cluster, directory)
        self._profile = {
            "name": "test",
            "pluginConfig": [{"name": name, "args": dict(args)} for name, args in configuration.items()],
            "plugins": {point: {"enabled": list(names)} for point, names in plugins.items()},
        }

    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        self._grant(objects)
        policy = self._directory / "policy.yaml"
        content = {"apiVersion": "descheduler/v1alpha2", "kind": "DeschedulerPolicy", "profiles": [self._profile]}
        policy.write_text(yaml.safe_dump(content))
        Authority.create("descheduler-test-ca").server("descheduler", [HOST]).write(self._directory, "tls")
        self._run(
            f"--kubeconfig={self._directory / 'descheduler-kubeconfig.yaml'}",
            f"--policy-config-file={policy}",
            "--descheduling-interval=2s",
            f"--bind-address={HOST}",
            f"--secure-port={choose(['descheduler'], {})['descheduler']}",
            f"--tls-cert-file={self._directory / 'tls.crt'}",
            f"--tls-private-key-file={self._directory / 'tls.key'}",
            "--v=3",
        )
        self._await_log(self.ROUND)
