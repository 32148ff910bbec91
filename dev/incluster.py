"""Runs the operator as the chart does: pods of its own image, on nodes that have a kubelet."""

from __future__ import annotations

import json
from typing import Any, Protocol

from dev.cluster import Cluster
from dev.cluster.kubectl import Kubectl
from dev.deployment import NAMESPACE, install, kubectl, poll

LABELS = "app.kubernetes.io/name=daulat,app.kubernetes.io/component=operator"
DEPLOYMENT = "deployment/daulat"
REPLICAS = 2
SECONDS = 240


class Operator(Protocol):
    """An operator that can be stopped and started, wherever it runs."""

    last_usage: str
    """What it has used, in words."""

    @property
    def where_logged(self) -> str:
        """How to read its log, as a sentence without its full stop."""

    def start(self) -> None:
        """Start it, and wait until it is ready."""

    def stop(self) -> Any:
        """End it, and wait until it has ended."""


def install_in_cluster(cluster: Cluster, image: str, label: str, value: str) -> None:
    """Install the chart with this image (REPOSITORY@DIGEST) on the nodes with a label, and wait until its replicas are ready."""
    repository, _, digest = image.partition("@")
    install(
        cluster,
        f"--set=replicas={REPLICAS}",
        f"--set=image.repository={repository}",
        f"--set=image.digest={digest}",
        # Simulated nodes would say that it runs.
        f"--set=nodeSelector.{label.replace('.', chr(92) + '.')}={value}",
    )
    # Not by `helm --wait`: a release that is waited for in vain can't be changed until its time is over.
    _await_rollout(kubectl(cluster))


def _await_rollout(admin: Kubectl) -> None:
    """Wait until all replicas are ready. On an idle machine that takes 15 s."""
    limit = f"--timeout={SECONDS}s"
    admin.run("rollout", "status", DEPLOYMENT, f"--namespace={NAMESPACE}", limit, timeout_seconds=SECONDS + 20)


class OperatorPods:
    """``daulat operator`` in pods, once the chart is installed."""

    def __init__(self, cluster: Cluster) -> None:
        self._admin = kubectl(cluster)
        self.last_usage = ""

    @property
    def where_logged(self) -> str:
        """How to read its log, as a sentence without its full stop."""
        return f"The operator's log: kubectl logs --namespace {NAMESPACE} --prefix --selector {LABELS}"

    @property
    def pods(self) -> list[dict[str, Any]]:
        """All its pods, those among them that are ending."""
        listed = self._admin.run("get", "pods", f"--namespace={NAMESPACE}", f"--selector={LABELS}", "--output=json")
        found: list[dict[str, Any]] = json.loads(listed)["items"]
        return found

    def start(self) -> None:
        """Scale it to what the chart has, and wait until all replicas are ready."""
        self._scale(REPLICAS)
        self._admin.run(
            "rollout", "status", DEPLOYMENT, f"--namespace={NAMESPACE}", "--timeout=60s", timeout_seconds=70
        )

    def stop(self) -> None:
        """Scale it to zero, and wait until no pod is left."""
        self._measure()
        self._scale(0)
        poll("the operator's pods to end", lambda: not self.pods, 60)

    def _scale(self, replicas: int) -> None:
        self._admin.run("scale", DEPLOYMENT, f"--namespace={NAMESPACE}", f"--replicas={replicas}")

    def _measure(self) -> None:
        """Note what its pods have used so far, by what the kubelets say."""
        memory = seconds = 0.0
        for node in {pod["spec"].get("nodeName", "") for pod in self.pods} - {""}:
            told = json.loads(self._admin.run("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
            for pod in told["pods"]:
                if pod["podRef"]["namespace"] == NAMESPACE:
                    memory += pod.get("memory", {}).get("workingSetBytes", 0) / 2**20
                    seconds += pod.get("cpu", {}).get("usageCoreNanoSeconds", 0) / 1e9
        self.last_usage = f"the operator's {REPLICAS} pods used {memory:.0f} MiB and {seconds:.1f} s of CPU"
