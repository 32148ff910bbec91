"""The command line of each component of the embedded control plane. Only arguments: nothing is started here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.build import Binaries

HOST = "127.0.0.1"
SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
FRONT_PROXY = "front-proxy-client"

# Start order; each needs the ones before it.
APISERVER = "kube-apiserver"
CONTROLLERS = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
ETCD = "etcd"
KWOK = "kwok"
ORDER = (ETCD, APISERVER, CONTROLLERS, SCHEDULER, KWOK)
API_ONLY = (ETCD, APISERVER)
"""What judges requests. Nothing schedules, makes ServiceAccounts, aggregates roles or deletes what an owner leaves."""
# The names of the ports that a cluster takes. etcd listens for peers too, even where it has none.
PORTS = (ETCD, "etcd-peer", APISERVER, CONTROLLERS, SCHEDULER)

UNWATCHED_HOURS = 24
UNWATCHED = (f"--node-monitor-grace-period={UNWATCHED_HOURS}h",)
"""For nodes without Leases. 5,000 nodes would renew 500 Leases a second."""


@dataclass(frozen=True)
class Layout:
    """Where one cluster keeps what its components read, and what they listen on."""

    directory: Path
    binaries: Binaries
    ports: dict[str, int]

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.directory / "pki"

    def kubeconfig(self, component: str) -> Path:
        """What a component acts as towards the API server."""
        return self.directory / "components" / f"{component}.yaml"

    @property
    def server(self) -> str:
        """The address of the API server."""
        return f"https://{HOST}:{self.ports[APISERVER]}"


def etcd(at: Layout) -> list[str]:
    """A single etcd that forgets on a power cut (no fsync): fine for tests, and several times faster."""
    peer, client = f"https://{HOST}:{at.ports['etcd-peer']}", f"https://{HOST}:{at.ports[ETCD]}"
    pki = at.pki
    return [
        at.binaries[ETCD],
        "--name=daulat",
        f"--data-dir={at.directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=daulat={peer}",
        "--unsafe-no-fsync",
        # An authority of its own: a user of the cluster, holding a certificate of the cluster's, must not reach etcd.
        "--client-cert-auth",
        f"--trusted-ca-file={pki / 'etcd-ca.crt'}",
        f"--cert-file={pki / 'etcd.crt'}",
        f"--key-file={pki / 'etcd.key'}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={pki / 'etcd-ca.crt'}",
        f"--peer-cert-file={pki / 'etcd.crt'}",
        f"--peer-key-file={pki / 'etcd.key'}",
        "--log-level=warn",
    ]


def apiserver(at: Layout, extra: Sequence[str]) -> list[str]:
    """The API server as a production cluster runs it: RBAC, NodeRestriction, nobody anonymous."""
    pki = at.pki
    return [
        at.binaries[APISERVER],
        f"--bind-address={HOST}",
        f"--secure-port={at.ports[APISERVER]}",
        # A loopback address may not stand in an EndpointSlice; nothing here runs pods that would use it.
        "--endpoint-reconciler-type=none",
        f"--etcd-servers=https://{HOST}:{at.ports[ETCD]}",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd.crt'}",
        f"--etcd-keyfile={pki / 'apiserver-etcd.key'}",
        f"--tls-cert-file={pki / 'serving.crt'}",
        f"--tls-private-key-file={pki / 'serving.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        # The flag may be repeated, as may --feature-gates and --runtime-config: what `extra` has is added.
        "--enable-admission-plugins=NodeRestriction",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        # Lets it hand requests on to an API server that an APIService names, in the name of who made them.
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        f"--requestheader-allowed-names={FRONT_PROXY}",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'front-proxy.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy.key'}",
        "--allow-privileged=true",
        "--profiling=false",
        # Ends the watches at SIGTERM; else they hold a restart up for the 60 s of a request's time limit.
        "--shutdown-watch-termination-grace-period=1s",
        *extra,
    ]


def controllers(at: Layout, extra: Sequence[str] = ()) -> list[str]:
    """All the built-in controllers, each with its own ServiceAccount and so its own permissions."""
    pki = at.pki
    return [
        *_client(at, CONTROLLERS),
        "--use-service-account-credentials",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        # It makes the directory, by default below /usr.
        f"--flex-volume-plugin-dir={at.directory / 'volume-plugins'}",
        # 15 s and 5 min, the defaults, would be what a test of an autoscaler waits for.
        "--horizontal-pod-autoscaler-sync-period=1s",
        "--horizontal-pod-autoscaler-downscale-stabilization=3s",
        *_unthrottled(),
        *extra,
    ]


def scheduler(at: Layout, extra: Sequence[str] = ()) -> list[str]:
    """The default scheduler."""
    return [*_client(at, SCHEDULER), *_unthrottled(), *extra]


def _client(at: Layout, name: str) -> list[str]:
    kubeconfig = at.kubeconfig(name)
    return [
        at.binaries[name],
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={HOST}",
        f"--secure-port={at.ports[name]}",
        f"--tls-cert-file={at.pki / 'serving.crt'}",
        f"--tls-private-key-file={at.pki / 'serving.key'}",
        # There is one of each, and an election would cost seconds at every start.
        "--leader-elect=false",
        "--profiling=false",
    ]


def _unthrottled() -> list[str]:
    # The defaults, 20 and 50 requests a second, would be what a test of thousands of pods measures.
    return ["--kube-api-qps=500", "--kube-api-burst=1000"]
