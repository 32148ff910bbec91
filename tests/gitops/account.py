"""The account by which an engine applies manifests: the shipped ClusterRoles and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from dev.cluster import Cluster
from dev.cluster.kubectl import Kubectl
from dev.deployment import ROOT, kubectl

ACCOUNT = "daulat-gitops"
ROLES = ("daulat-gitops", "daulat-gitops-install")
FILE = ROOT / "contrib" / "gitops" / "clusterroles.yaml"
Manifest = dict[str, Any]


def roles() -> dict[str, Manifest]:
    """Return the shipped ClusterRoles by name."""
    return {role["metadata"]["name"]: role for role in yaml.safe_load_all(FILE.read_text())}


def user(namespace: str) -> str:
    """Return the name by which the API server knows the account."""
    return f"system:serviceaccount:{namespace}:{ACCOUNT}"


def create(admin: Kubectl, namespace: str, names: Sequence[str] = ROLES) -> None:
    """Create the account in a namespace with these roles, as docs/how-to/gitops.md says."""
    admin.run("apply", "-f", str(FILE))
    head = {"name": ACCOUNT, "namespace": namespace}
    api = "rbac.authorization.k8s.io"
    bindings = [
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{namespace}-{name}"},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", **head}],
        }
        for name in names
    ]
    admin.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": head}, *bindings])


def access(cluster: Cluster, namespace: str) -> tuple[str, str, str]:
    """Return a cluster's address, its authority and a token of the account, by which an engine elsewhere reaches it."""
    token = kubectl(cluster).run("create", "token", ACCOUNT, "-n", namespace, "--duration=24h").strip()
    (known,) = yaml.safe_load(cluster.kubeconfig().read_text())["clusters"]
    at: Manifest = known["cluster"]
    return at["server"], at["certificate-authority-data"], token


def kubeconfig(cluster: Cluster, namespace: str) -> str:
    """Return a kubeconfig of the account, as a Secret of a Flux hub holds it."""
    server, authority, token = access(cluster, namespace)
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "member", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": ACCOUNT, "user": {"token": token}}],
        "contexts": [{"name": "member", "context": {"cluster": "member", "user": ACCOUNT}}],
        "current-context": "member",
    }
    return yaml.safe_dump(content)
