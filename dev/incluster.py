"""Runs the operator as the chart does: pods of its own image, on nodes that have a kubelet."""

from __future__ import annotations

import json
from typing import Any

from dev.cluster import Cluster
from dev.deployment import NAMESPACE, install, kubectl

LABELS = "app.kubernetes.io/name=daulat,app.kubernetes.io/component=operator"
WHERE_LOGGED = f"The operator's log: kubectl logs --namespace {NAMESPACE} --prefix --selector {LABELS}"
"""How to read its log, as a sentence without its full stop."""
REPLICAS = 2
SECONDS = 240
"""For which its replicas may take to be ready. On an idle machine that takes 15 s."""


def install_in_cluster(cluster: Cluster, image: str, label: str, value: str, *settings: str) -> None:
    """Install the chart with this image (REPOSITORY@DIGEST) on the nodes with a label, and wait until its replicas are ready."""
    repository, _, digest = image.partition("@")
    install(
        cluster,
        f"--set=replicas={REPLICAS}",
        f"--set=image.repository={repository}",
        f"--set=image.digest={digest}",
        # Simulated nodes would say that it runs.
        f"--set=nodeSelector.{label.replace('.', chr(92) + '.')}={value}",
        *settings,
    )
    # Not by `helm --wait`: a release that is waited for in vain can't be changed until its time is over.
    limit = f"--timeout={SECONDS}s"
    kubectl(cluster).run(
        "rollout", "status", "deployment/daulat", f"--namespace={NAMESPACE}", limit, timeout_seconds=SECONDS + 20
    )


def operator_pods(cluster: Cluster) -> list[dict[str, Any]]:
    """Return all pods of the operator, those among them that are ending."""
    arguments = ("get", "pods", f"--namespace={NAMESPACE}", f"--selector={LABELS}", "--output=json")
    found: list[dict[str, Any]] = json.loads(kubectl(cluster).run(*arguments))["items"]
    return found
