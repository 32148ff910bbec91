"""What the operator was told of the platform around it when it was started."""

from __future__ import annotations

from dataclasses import dataclass, field

from daulat.api.frozen import FrozenDict


@dataclass(frozen=True)
class Dns:
    """The pods that answer the cluster's DNS queries, as a NetworkPolicy has to name them."""

    namespace: str = "kube-system"
    pod_labels: FrozenDict[str, str] = field(default_factory=lambda: FrozenDict({"k8s-app": "kube-dns"}))
    """Their labels; all pods of the namespace where it's empty."""
    port: int = 53
    """The pods' own port, which isn't always that of their Service."""
    addresses: tuple[str, ...] = ()
    """Addresses of DNS servers on the nodes themselves, such as NodeLocal DNSCache's, on port 53; no selector finds these."""


@dataclass(frozen=True)
class KubernetesApi:
    """Where pods reach the Kubernetes API, as a NetworkPolicy has to name it."""

    cidrs: tuple[str, ...] = ()
    """The addresses of the API servers, behind the Service; empty where nothing is said."""
    port: int = 6443
    """Their port."""


@dataclass(frozen=True)
class Platform:
    """What whoever installs Daulat says, and no model can."""

    prometheus: str = ""
    """Where KEDA asks for models' metrics, where their policies name no other; empty where it can't."""
    wake_query: str = ""
    """The query that tells requests for a model while none of its replicas runs; empty where there is none."""
    pod_monitor_labels: FrozenDict[str, str] = field(default_factory=FrozenDict)
    """Labels by which the cluster's Prometheus finds PodMonitors."""
    dns: Dns = field(default_factory=Dns)
    kubernetes_api: KubernetesApi = field(default_factory=KubernetesApi)
    any_user: bool = False
    """Whether admission chooses the user and the groups of models' pods, as OpenShift does; else they have fixed ones."""
    pause_upgrades: bool = False
    """Whether models keep the pods that the operator's former release rendered, until upgrades aren't paused any more."""


STANDARD = Platform()
"""A cluster of which nothing is said."""
