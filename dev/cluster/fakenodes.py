"""Nodes that KWOK plays: what it may do in a cluster, how it is started, and the nodes of a scenario.

The same on every kind of cluster, so that a test means the same everywhere. KWOK never touches a node without its
annotation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dev.cluster.kubectl import Kubectl
from dev.cluster.paths import STAGES

USER = "daulat-dev:kwok"
ANNOTATION = "kwok.x-k8s.io/node"
# How often a node's status is freshened, such as 20s; without it, every five minutes. See stages.yaml.
HEARTBEAT = "daulat-dev/heartbeat"
# Says which of our clusters made a node, so that `down` removes those from a shared cluster, and no other.
CLUSTER_LABEL = "daulat-dev/cluster"

READY_SECONDS = 60


def permissions(name: str, user: str) -> list[dict[str, Any]]:
    """A ClusterRole with just what KWOK does with the stages of stages.yaml, bound to one user."""

    def rule(group: str, resources: str, verbs: str) -> dict[str, list[str]]:
        return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}

    rules = [
        rule("", "nodes", "get list watch"),
        rule("", "nodes/status pods/status", "patch update"),
        rule("", "pods", "get list watch patch delete"),
        rule("", "events", "create patch update"),
        rule("coordination.k8s.io", "leases", "get list watch create patch update"),
        # It plays the kubelets of many nodes by one name. Addresses of governed pods are their own kubelet's to write (USE-05), or
        # of whoever has this verb.
        rule("daulat.dev", "sovereigntypolicies", "govern"),
    ]
    api = "rbac.authorization.k8s.io"
    role = _role(name)
    head = {"apiVersion": f"{api}/v1", "metadata": {"name": role}}
    subject = {"apiGroup": api, "kind": "User", "name": user}
    return [
        {**head, "kind": "ClusterRole", "rules": rules},
        {
            **head,
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
            "subjects": [subject],
        },
    ]


def arguments(kwok: str, kubeconfig: Path, leases: bool = True) -> list[str]:
    """The command line of KWOK. Without Leases, start the node controller with components.UNWATCHED."""
    return [
        kwok,
        f"--kubeconfig={kubeconfig}",
        f"--config={STAGES}",
        f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
        # Off by default; without leases the node controller calls every node Unknown after 50 s.
        *(["--node-lease-duration-seconds=40"] if leases else []),
        "--node-ip=10.90.0.1",
        # The default, a /24, runs out at 254 pods.
        "--cidr=10.244.0.1/16",
    ]


def environment(directory: Path) -> dict[str, str]:
    """Keeps KWOK from reading the configuration in the user's home."""
    return {"KWOK_WORKDIR": str(directory / "kwok")}


def create(kubectl: Kubectl, cluster: str, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Create the nodes that aren't there yet; one that is stays as it is, with what a test or demo did to it."""
    present = set(kubectl.run("get", "nodes", "-o", "name").split())
    missing = [_marked(m, cluster) for m in manifests if f"node/{m['metadata']['name']}" not in present]
    kubectl.apply(missing)
    kubectl.apply(missing, "--subresource=status")


def wait_ready(kubectl: Kubectl, cluster: str) -> None:
    """Wait until every node of ours is Ready."""
    selector = f"{CLUSTER_LABEL}={cluster}"
    if kubectl.run("get", "nodes", "-l", selector, "-o", "name").strip():
        timeout = f"--timeout={READY_SECONDS}s"
        kubectl.run(
            "wait", "--for=condition=Ready", "nodes", "-l", selector, timeout, timeout_seconds=READY_SECONDS + 5
        )


def remove(kubectl: Kubectl, cluster: str) -> None:
    """Delete the nodes that we made, the pods bound to them, which nobody would ever end otherwise, and KWOK's role."""
    selector = f"{CLUSTER_LABEL}={cluster}"
    for node in kubectl.run("get", "nodes", "-l", selector, "-o", "name").split():
        field = f"--field-selector=spec.nodeName={node.removeprefix('node/')}"
        kubectl.run("delete", "pods", "-A", field, "--grace-period=0", "--force", "--wait=false")
    kubectl.run("delete", "nodes", "-l", selector)
    kubectl.run("delete", "clusterrole,clusterrolebinding", _role(cluster), "--ignore-not-found")


def _role(cluster: str) -> str:
    return f"daulat-dev-kwok-{cluster}"


def _marked(manifest: Mapping[str, Any], cluster: str) -> dict[str, Any]:
    metadata = dict(manifest["metadata"])
    metadata["labels"] = {**metadata.get("labels", {}), CLUSTER_LABEL: cluster}
    return {**manifest, "metadata": metadata}
