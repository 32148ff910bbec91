"""A controller of another project as a process of this machine, with a token of its ServiceAccount and its release's rights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dev.cluster import Cluster, processes
from dev.cluster.errors import ClusterError
from dev.deployment import kubectl, operator_kubeconfig, poll
from dev.neighbours import build

# Of a release, what means something without a kubelet: not its Deployment, Services, and what these mount.
RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
Manifest = dict[str, Any]


class Controller(ABC):
    """A controller that runs outside the cluster. ``start`` returns when it works; ``stop`` leaves what it made."""

    neighbour: build.Neighbour
    namespace: str
    account: str

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        """Take the cluster that it runs on, and a directory for its log and its settings."""
        self._cluster, self._directory = cluster, directory
        self._admin = kubectl(cluster)
        self._process: processes.Started | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def user(self) -> str:
        """The name by which the API server knows it."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"

    @property
    def log(self) -> Path:
        """Where its log goes."""
        return self._directory / f"{self.neighbour.name}.log"

    def start(self) -> None:
        """Install it, start it, and wait until it works."""
        objects = build.manifests(self.neighbour)
        try:
            self._bring_up(objects)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            processes.stop([self._process])
        self._process = None

    @abstractmethod
    def _bring_up(self, objects: Sequence[Manifest]) -> None:
        """Install what its release has, and start it."""

    def _grant(self, objects: Sequence[Manifest]) -> None:
        self._admin.apply([o for o in objects if o["kind"] == "Namespace"], "--force-conflicts")
        for kind in RIGHTS:
            self._admin.apply([o for o in objects if o["kind"] == kind])

    def _run(self, *arguments: str, wrapper: Sequence[str] = ()) -> None:
        """Start the program, by the command of ``wrapper`` where there is one."""
        argv = [*wrapper, str(build.program(self.neighbour)), *arguments]
        self._process = processes.start(self.neighbour.name, argv, self.log, {"KUBECONFIG": str(self._kubeconfig())})

    def _kubeconfig(self) -> Path:
        name = f"{self.neighbour.name}-kubeconfig.yaml"
        return operator_kubeconfig(
            self._cluster, self._directory, account=self.account, name=name, namespace=self.namespace
        )

    def _await_log(self, text: str, seconds: float = 60.0) -> None:
        """Wait until its log has a text. ClusterError where it ends before."""

        def said() -> bool:
            if self._process is None or processes.find(self._process) is None:
                raise ClusterError(f"{self.neighbour.name} has ended; its log is {self.log}")
            return text in self.log.read_text()

        poll(f"{self.neighbour.name} to log {text!r}", said, seconds)
