"""The certificates of one embedded cluster, and a kubeconfig for any user of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dev.cluster import fakenodes, kubeconfig
from dev.cluster.components import CONTROLLERS, FRONT_PROXY, HOST, KWOK, SCHEDULER, SERVICE_ADDRESS
from dev.cluster.kubeconfig import ADMIN
from dev.cluster.node import addresses
from dev.cluster.pki import Authority, signing_key, write_private

LOCAL_HOSTS = ("localhost", HOST)
SERVICE_HOSTS = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")

ADMIN_USER, ADMIN_GROUP = "kubernetes-admin", "system:masters"

# Who each client of the API server is. The built-in roles know the first two by these names.
COMPONENT_USERS = {
    CONTROLLERS: "system:kube-controller-manager",
    SCHEDULER: "system:kube-scheduler",
    KWOK: fakenodes.USER,
}


def create(pki: Path) -> None:
    """Make every key and certificate that the components start with."""
    authority = Authority.create("daulat-dev-ca")
    authority.pair.write(pki, "ca")
    authority.server("kube-apiserver", [*LOCAL_HOSTS, addresses.FABRIC, SERVICE_ADDRESS, *SERVICE_HOSTS]).write(
        pki, "serving"
    )
    authority.client("kube-apiserver-kubelet-client", [ADMIN_GROUP]).write(pki, "apiserver-kubelet")
    authority.client(ADMIN_USER, [ADMIN_GROUP]).write(pki, "admin")
    etcd_authority = Authority.create("daulat-dev-etcd-ca")
    etcd_authority.pair.write(pki, "etcd-ca")
    etcd_authority.server("etcd", LOCAL_HOSTS).write(pki, "etcd")
    etcd_authority.client("kube-apiserver").write(pki, "apiserver-etcd")
    # An authority of its own again: what it signs may speak for anybody.
    proxy_authority = Authority.create("daulat-dev-front-proxy-ca")
    proxy_authority.pair.write(pki, "front-proxy-ca")
    proxy_authority.client(FRONT_PROXY).write(pki, "front-proxy")
    private, public = signing_key()
    write_private(pki / "service-accounts.key", private)
    write_private(pki / "service-accounts.pub", public)


def write_kubeconfig(path: Path, pki: Path, cluster: str, server: str, user: str, groups: Sequence[str]) -> Path:
    """A kubeconfig with a certificate of its own for this user."""
    if user == ADMIN and not groups:
        user, groups = ADMIN_USER, [ADMIN_GROUP]
    authority = Authority.load(pki, "ca")
    return kubeconfig.write(path, cluster, server, authority.pair.certificate, authority.client(user, groups))
