"""The configuration of the programs of a real node. Only texts: nothing is written or started here."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from dev.cluster.node.addresses import PODS
from dev.cluster.node.sandbox import HOME, PROGRAMS

CONTAINERD = "unix:///run/containerd/containerd.sock"
PAUSE = "registry.k8s.io/pause:3.10"
"""What containerd is told to hold a pod's namespaces with. It is imported, never pulled."""


@dataclass(frozen=True)
class Place:
    """A real node's name and addresses, and the cgroup of its pods."""

    name: str
    address: str
    pods: ipaddress.IPv4Network
    cgroup: str


def containerd() -> str:
    """Return containerd's configuration (TOML)."""
    runtime = "plugins.'io.containerd.cri.v1.runtime'"
    return f"""version = 3
root = '/var/lib/containerd'
state = '/run/containerd'
disabled_plugins = ['io.containerd.internal.v1.tracing', 'io.containerd.tracing.processor.v1.otlp']

[grpc]
address = '{CONTAINERD.removeprefix("unix://")}'

[{runtime}]
# Without CAP_SYS_RESOURCE nobody may make a process more precious than it was.
restrict_oom_score_adj = true

[{runtime}.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[{runtime}.containerd.runtimes.runc.options]
BinaryName = '{PROGRAMS}/runc'
SystemdCgroup = false

[{runtime}.cni]
bin_dirs = ['{PROGRAMS}']
conf_dir = '{HOME}/cni'

# Tells who enforces NetworkPolicies of a pod before its containers start. The API server knows its address a second later, and
# until then a pod would pass for one that no policy speaks of.
[plugins.'io.containerd.nri.v1.nri']
disable = false

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{PAUSE}'
"""


def network(place: Place) -> dict[str, Any]:
    """Return the CNI configuration: a cable to each pod, so that all it says is routed, and judged, also to its neighbours."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": str(place.pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni",
    }
    cable = {"type": "ptp", "ipam": addresses}
    loopback = {"type": "loopback"}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [cable, loopback]}


def kubelet(place: Place) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{HOME}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "address": place.address,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": place.cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": CONTAINERD,
        "resolvConf": f"{HOME}/resolv.conf",
        # Devices are in the node's status within a second, not ten.
        "nodeStatusUpdateFrequency": "1s",
        "nodeLeaseDurationSeconds": 20,
        # Containers can't be made more precious than the kubelet was, without CAP_SYS_RESOURCE.
        "oomScoreAdj": 0,
        "protectKernelDefaults": True,
        # A developer's disk may be fuller than a server's.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        # Else a disk counts as full for 5 minutes after it was.
        "evictionPressureTransitionPeriod": "1s",
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "volumePluginDir": f"{HOME}/volume-plugins",
        "maxPods": 40,
        "shutdownGracePeriod": "0s",
        "serializeImagePulls": False,
    }


def kube_proxy(place: Place) -> dict[str, Any]:
    """Return kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": f"{HOME}/kube-proxy.kubeconfig"},
        "clusterCIDR": str(PODS),
        "hostnameOverride": place.name,
        # They are the machine's.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
    }
