"""A cluster of kind's (CLUSTER=kind), for what needs a kubelet and containers; wants Docker."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from dev.cluster.borrowed import BorrowedCluster
from dev.cluster.errors import ClusterError

# Of kind v0.33.0; kind supports an image by its digest only, as tags are built anew for other releases of kind.
NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
CREATE_SECONDS = 300

CONFIG = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
  image: {image}
"""


class KindCluster(BorrowedCluster):
    """`daulat-<name>` in kind's own list."""

    kind = "kind"

    def acquire(self) -> bytes:
        """Create the cluster unless kind has it already."""
        _require()
        if self._its_name not in _kind("get", "clusters").split():
            self._say(f"creating the kind cluster {self._its_name}")
            config = CONFIG.format(image=NODE_IMAGE)
            scratch = str(self._directory / "unused-kubeconfig")  # keeps kind from editing the user's own
            _kind("create", "cluster", "--name", self._its_name, "--kubeconfig", scratch, "--config", "-", stdin=config)
            Path(scratch).unlink(missing_ok=True)
        return _kind("get", "kubeconfig", "--name", self._its_name).encode()

    def release(self) -> None:
        """Delete the cluster."""
        if shutil.which("kind"):
            scratch = str(self._directory / "unused-kubeconfig")
            _kind("delete", "cluster", "--name", self._its_name, "--kubeconfig", scratch)

    @property
    def _its_name(self) -> str:
        return f"daulat-{self.name}"


def quicker() -> str:
    """Return how a cluster is had more quickly than by building one, in a sentence; empty without Docker."""
    if shutil.which("docker") is None or not _docker_answers(5):
        return ""
    first = "" if shutil.which("kind") else "install kind and "
    return f"Docker runs here, and a kind cluster needs no build: to save that time, {first}run CLUSTER=kind make demo"


def _docker_answers(seconds: float) -> bool:
    try:
        return subprocess.run(["docker", "info"], check=False, capture_output=True, timeout=seconds).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _require() -> None:
    instead = "or leave CLUSTER out for the embedded control plane"
    for command in ("kind", "docker"):
        if shutil.which(command) is None:
            raise ClusterError(f"CLUSTER=kind needs `{command}`, which is not on PATH: install it, {instead}.")
    if not _docker_answers(30):
        raise ClusterError(f"CLUSTER=kind needs Docker, which doesn't answer `docker info`: start it, {instead}.")


def _kind(*arguments: str, stdin: str | None = None) -> str:
    asked = f"kind {' '.join(arguments[:2])}"
    try:
        result = subprocess.run(
            ["kind", *arguments], check=False, input=stdin, capture_output=True, text=True, timeout=CREATE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{asked}` did not end in {CREATE_SECONDS} s: is Docker healthy?") from error
    if result.returncode != 0:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        raise ClusterError(f"`{asked}` failed: {lines[-1] if lines else 'it gave no reason'}")
    return result.stdout
