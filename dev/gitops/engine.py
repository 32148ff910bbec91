"""What both engines share: processes of this machine beside a development cluster, that are started together and end together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.cluster import Cluster, processes
from dev.deployment import kubectl, poll
from dev.gitops import build


class Engine(ABC):
    """A GitOps engine."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        """Take the cluster that it runs on, and a directory for logs and what it caches."""
        self._cluster, self._directory = cluster, directory
        self._admin = kubectl(cluster)
        self._processes: list[processes.Started] = []

    def start(self) -> None:
        """Install its kinds and start it; returns when its processes run."""
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            self._bring_up()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; what it applied stays."""
        processes.stop(self._processes)
        self._processes = []

    @abstractmethod
    def _bring_up(self) -> None:
        """Install the kinds, and start the processes."""

    def _install_kinds(self, engines: Sequence[build.Engine], namespace: str, served: str) -> None:
        """Install the kinds and the namespace, and wait until ``served``, one of the last kinds, is served."""
        for engine in engines:
            for path in build.crds(engine):
                self._admin.run("apply", "--server-side", "-f", str(path))
        self._admin.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}])
        poll(f"{served} to be served", lambda: served in self._admin.run("api-resources"))

    def _run(self, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        log = self._directory / f"{name}.log"
        self._processes.append(processes.start(name, argv, log, environment))
