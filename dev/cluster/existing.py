"""Somebody's own cluster (KUBECONFIG=file): fake nodes are added beside its own; it is never created or deleted."""

from __future__ import annotations

from pathlib import Path

from dev.cluster import build, kubeconfig
from dev.cluster.borrowed import BorrowedCluster
from dev.cluster.cluster import announce
from dev.cluster.kubectl import Kubectl
from dev.cluster.locking import Say


class ExistingCluster(BorrowedCluster):
    """The cluster that a kubeconfig's current context names at the time of `up`."""

    kind = "existing"

    def __init__(self, name: str, source: Path, *, say: Say = announce) -> None:
        """`source` is read, never written."""
        super().__init__(name, say=say)
        self._source = source.absolute()

    def source(self) -> str:
        """The file that was given."""
        return str(self._source)

    def acquire(self) -> bytes:
        """The current context alone, with what other files it refers to inside."""
        config = kubeconfig.read(self._source)
        self._say(f"using the existing cluster at {kubeconfig.server(config)}")
        kubectl = Kubectl(build.ensure(self._say)["kubectl"], self._source)
        return kubectl.run("config", "view", "--minify", "--flatten", "--raw").encode()

    def release(self) -> None:
        """It isn't ours."""
